package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/provisor/provisor/host/client/template"
)

const required = `terraform {
  required_providers {
    coder = { source = "coder/coder" }
  }
}
`

// smallTemplate has 2 agents, 3 apps and 2 resources.
const smallTemplate = required + `
resource "coder_agent" "main" {
  os   = "linux"
  arch = "amd64"
}

resource "coder_agent" "build" {
  os   = "linux"
  arch = "amd64"
}

resource "coder_app" "editor" {
  agent_id = coder_agent.main.id
  slug     = "editor"
  url      = "http://localhost:8080"
}

resource "coder_app" "docs" {
  agent_id = coder_agent.main.id
  slug     = "docs"
  url      = "http://localhost:8081"
}

resource "coder_app" "log" {
  agent_id = coder_agent.build.id
  slug     = "log"
  url      = "http://localhost:8082"
}

resource "terraform_data" "main" {
  input = coder_agent.main.id
}

resource "terraform_data" "build" {
  input = coder_agent.build.id
}
`

// largeTemplate has that many resources: one agent with two apps for every twenty of them, and machines that depend on the agent and on
// the machine before.
func largeTemplate(resources int) string {
	var b strings.Builder
	b.WriteString(required)
	agent, before := 0, ""
	for i := range resources {
		switch {
		case i%20 == 0:
			agent = i
			before = fmt.Sprintf("coder_agent.a%d.id", agent)
			fmt.Fprintf(&b, "\nresource \"coder_agent\" \"a%d\" {\n  os   = \"linux\"\n  arch = \"amd64\"\n}\n", i)
		case i%20 <= 2:
			fmt.Fprintf(&b, "\nresource \"coder_app\" \"p%d\" {\n  agent_id = coder_agent.a%d.id\n  slug     = \"app-%d\"\n  url      = \"http://localhost:8080\"\n}\n", i, agent, i)
		default:
			fmt.Fprintf(&b, "\nresource \"terraform_data\" \"m%d\" {\n  input = { agent = coder_agent.a%d.id, after = %s }\n}\n", i, agent, before)
			before = fmt.Sprintf("terraform_data.m%d.id", i)
		}
	}
	return b.String()
}

// templateDir is a new directory with the template, and files beside it if any: name, content, name, content.
func (b *bench) templateDir(main string, more ...string) (string, error) {
	dir, err := os.MkdirTemp(b.dir, "template")
	if err != nil {
		return "", err
	}
	files := append([]string{"main.tf", main}, more...)
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// archiveOf packs what templateDir makes.
func (b *bench) archiveOf(main string, more ...string) ([]byte, error) {
	dir, err := b.templateDir(main, more...)
	if err != nil {
		return nil, err
	}
	return template.Pack(dir, template.Options{})
}
