package config

import "github.com/hashicorp/hcl/v2"

// The shape of a file, as gohcl decodes it. A pointer that is nil was left out.

type fileShape struct {
	DataDir      *string `hcl:"data_dir"`
	CacheDir     *string `hcl:"cache_dir"`
	Concurrency  *int    `hcl:"concurrency"`
	DrainTimeout *string `hcl:"drain_timeout"`

	MaxMessage              *string `hcl:"max_message"`
	MaxStreams              *int    `hcl:"max_streams"`
	MaxStreamsPerConnection *int    `hcl:"max_streams_per_connection"`
	Keepalive               *string `hcl:"keepalive"`

	MinFree *string `hcl:"min_free"`
	Ballast *string `hcl:"ballast"`
	MaxKept *string `hcl:"max_kept"`

	ProviderCache *string `hcl:"provider_cache"`

	PluginSettings *map[string]string `hcl:"plugin_settings"`

	AdminSocket *string `hcl:"admin_socket"`

	Listen []listenShape `hcl:"listen,block"`
	Engine []engineShape `hcl:"engine,block"`
	Plugin []pluginShape `hcl:"plugin,block"`
	Tenant []tenantShape `hcl:"tenant,block"`
	Limits *limitsShape  `hcl:"limits,block"`
	Jail   *jailShape    `hcl:"jail,block"`
	Log    *logShape     `hcl:"log,block"`
	Audit  *auditShape   `hcl:"audit,block"`

	Telemetry *telemetryShape `hcl:"telemetry,block"`

	Body hcl.Body `hcl:",body"`
}

type listenShape struct {
	Address            string    `hcl:"address,label"`
	TLSCert            *string   `hcl:"tls_cert"`
	TLSKey             *string   `hcl:"tls_key"`
	ClientCA           *string   `hcl:"client_ca"`
	ClientCertificates *string   `hcl:"client_certificates"`
	Anonymous          *string   `hcl:"anonymous"`
	Insecure           *bool     `hcl:"insecure"`
	Body               hcl.Body  `hcl:",body"`
	At                 hcl.Range `hcl:",def_range"`
}

type engineShape struct {
	Name    string             `hcl:"name,label"`
	Path    *string            `hcl:"path"`
	Version *string            `hcl:"version"`
	Mirror  *string            `hcl:"mirror"`
	Env     *map[string]string `hcl:"env"`
	PassEnv *[]string          `hcl:"pass_env"`
	Jail    *jailShape         `hcl:"jail,block"`
	Body    hcl.Body           `hcl:",body"`
	At      hcl.Range          `hcl:",def_range"`
}

type pluginShape struct {
	Name    string       `hcl:"name,label"`
	Version *string      `hcl:"version"`
	Source  *string      `hcl:"source"`
	SHA256  *string      `hcl:"sha256"`
	Grants  *grantsShape `hcl:"grants,block"`
	Limits  *limitsShape `hcl:"limits,block"`
	Body    hcl.Body     `hcl:",body"`
	At      hcl.Range    `hcl:",def_range"`
}

type grantsShape struct {
	Programs *[]string `hcl:"programs"`
	Env      *[]string `hcl:"env"`
	Body     hcl.Body  `hcl:",body"`
	At       hcl.Range `hcl:",def_range"`
}

type tenantShape struct {
	Name                string             `hcl:"name,label"`
	TokenSHA256         *[]string          `hcl:"token_sha256"`
	TokenFiles          *[]string          `hcl:"token_files"`
	CertificateSubjects *[]string          `hcl:"certificate_subjects"`
	CertificateSHA256   *[]string          `hcl:"certificate_sha256"`
	Engine              *string            `hcl:"engine"`
	Plugin              *string            `hcl:"plugin"`
	Env                 *map[string]string `hcl:"env"`
	PassEnv             *[]string          `hcl:"pass_env"`
	Weight              *int               `hcl:"weight"`
	Concurrency         *int               `hcl:"concurrency"`
	Queue               *int               `hcl:"queue"`
	Sessions            *int               `hcl:"sessions"`
	Disk                *string            `hcl:"disk"`
	Limits              *limitsShape       `hcl:"limits,block"`
	Body                hcl.Body           `hcl:",body"`
	At                  hcl.Range          `hcl:",def_range"`
}

type jailShape struct {
	Require *[]string `hcl:"require"`
	Disable *[]string `hcl:"disable"`
	Expose  *[]string `hcl:"expose"`
	Offline *[]string `hcl:"offline"`
	Uids    *string   `hcl:"uids"`
	Body    hcl.Body  `hcl:",body"`
}

// limitsShape has the limits by their names; see limitNames.
type limitsShape struct {
	Limits hcl.Attributes `hcl:",remain"`
}

type logShape struct {
	Level  *string  `hcl:"level"`
	Format *string  `hcl:"format"`
	Body   hcl.Body `hcl:",body"`
}

type auditShape struct {
	File string   `hcl:"file"`
	Body hcl.Body `hcl:",body"`
}

type telemetryShape struct {
	Listen   *string      `hcl:"listen"`
	Insecure *bool        `hcl:"insecure"`
	Traces   *tracesShape `hcl:"traces,block"`
	Body     hcl.Body     `hcl:",body"`
}

type tracesShape struct {
	Endpoint    string   `hcl:"endpoint"`
	Insecure    *bool    `hcl:"insecure"`
	CA          *string  `hcl:"ca"`
	HeadersFile *string  `hcl:"headers_file"`
	SampleRatio *float64 `hcl:"sample_ratio"`
	Body        hcl.Body `hcl:",body"`
}
