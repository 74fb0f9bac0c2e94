package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host/internal/admin/plugins"
	"github.com/provisor/provisor/host/internal/plugin/registry"
)

func pluginList(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("plugin list takes no arguments, got %q", c.Args().First())
	}
	return askPlugins(c, func(p plugins.Client) (plugins.List, error) { return p.List(c.Context) }, printPlugins)
}

func printPlugins(list plugins.List) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.SetOutputMirror(os.Stdout)
	t.AppendHeader(table.Row{"Plugin", "Version", "New sessions", "Sessions now", "SHA-256", "Size", "Installed"})
	var notes []string
	for _, p := range list.Plugins {
		for _, v := range p.Versions {
			t.AppendRow(table.Row{p.Name, versionCell(v), newSessions(p, v), v.Sessions, shorten(v.Digest), sizeCell(v), installedCell(v)})
			if v.Problem != "" {
				notes = append(notes, fmt.Sprintf("%s@%s: sessions that should get it fail: %s", p.Name, v.Version, v.Problem))
			}
			if k := v.Canary; k != nil {
				notes = append(notes, fmt.Sprintf("%s@%s failed in %d of the %d sessions that have ended, the version in use in %d of %d",
					p.Name, v.Version, k.Failed, k.Sessions, k.StableFailed, k.StableSessions))
			}
		}
		if p.Declared != "" {
			notes = append(notes, fmt.Sprintf("%s is declared in %s", p.Name, p.Declared))
		}
		if w := p.Withdrawn; w != nil {
			notes = append(notes, fmt.Sprintf("%s@%s was a canary and was withdrawn %s: %s", p.Name, w.Version, humanize.Time(w.At), w.Reason))
		}
		if p.GrantedBy != "default" {
			notes = append(notes, fmt.Sprintf("%s is granted the programs %s and the variables %s", p.Name, orNone(p.Grants.Programs), orNone(p.Grants.Env)))
		}
	}
	t.Render()
	for _, note := range notes {
		fmt.Println(printable(note))
	}
	return nil
}

func versionCell(v registry.VersionInfo) string {
	switch {
	case v.Base && v.Version == "":
		return "base"
	case v.Base:
		return v.Version + " (base)"
	}
	return v.Version
}

// newSessions says which new sessions get the version.
func newSessions(p registry.Info, v registry.VersionInfo) string {
	var who []string
	switch {
	case v.Active && p.Default:
		who = append(who, "all")
	case v.Active && len(p.Tenants) > 0:
		who = append(who, "tenants "+strings.Join(p.Tenants, ", "))
	}
	if v.Canary != nil {
		who = append(who, fmt.Sprintf("canary %d%%", v.Canary.Percent))
	}
	if len(v.Tenants) > 0 {
		who = append(who, "pinned: "+strings.Join(v.Tenants, ", "))
	}
	if v.Previous {
		who = append(who, "by rollback")
	}
	if v.Problem != "" {
		who = append(who, "CAN'T BE LOADED")
	}
	return strings.Join(who, "; ")
}

func shorten(digest string) string { return digest[:min(len(digest), 12)] }

func sizeCell(v registry.VersionInfo) string {
	if v.Size == 0 {
		return ""
	}
	return humanize.IBytes(uint64(v.Size))
}

func installedCell(v registry.VersionInfo) string {
	if v.Installed == nil {
		return ""
	}
	if v.File != "" {
		return humanize.Time(*v.Installed) + " from " + printable(v.File)
	}
	return humanize.Time(*v.Installed)
}
