package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/exec"
)

// handshake is how a provider's answer begins: the version of go-plugin's protocol, that of Terraform's, where it listens.
var handshake = regexp.MustCompile(`^1\|[56]\|(unix|tcp)\|`)

// checkProvider starts the binary as an engine would, and sees that it answers like a provider.
func checkProvider(ctx context.Context, path, dir string) error {
	const timeout = 30 * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it did not answer within %v", timeout))
	defer cancel()
	tmp, err := os.MkdirTemp("", "provisor-") // short: the provider listens on a socket in there
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	p, err := exec.Start(exec.Program{
		Path: path,
		Dir:  filepath.Clean(dir),
		Env: []string{
			"PATH=" + DefaultPath(), "HOME=" + tmp, "TMPDIR=" + tmp, "PLUGIN_PROTOCOL_VERSIONS=5,6",
			// The value by which Terraform's providers know that an engine starts them, not a person.
			"TF_PLUGIN_MAGIC_COOKIE=d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
		},
		OutputLimit: 1 << 20,
	})
	if err != nil {
		return err
	}
	defer p.Close()
	var said bytes.Buffer
	buf := make([]byte, 4<<10)
	for !strings.Contains(said.String(), "\n") {
		stream, n, err := p.Read(ctx, buf, -1)
		if err != nil {
			return fmt.Errorf("start it as a provider: %w", err)
		}
		if stream == abi.Ended {
			break
		}
		if stream == abi.Stdout {
			said.Write(buf[:n])
		}
	}
	if !handshake.Match(said.Bytes()) {
		return fmt.Errorf("it is no Terraform provider: started as one it says %s", excerpt(said.String()))
	}
	return nil
}
