package guest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// lister is a provisioner whose templates are a list of names in resources.json. In a plugin of its own it would be handed
// to guest.Register in an init function.
type lister struct{ guest.Unimplemented }

func (lister) Init(ctx context.Context, req *pb.InitRequest) *pb.InitComplete {
	if err := guest.ExtractArchive(ctx, req.GetTemplateSourceArchive(), guest.ArchiveOptions{}); err != nil {
		return &pb.InitComplete{Error: err.Error()}
	}
	return &pb.InitComplete{}
}

func (lister) Graph(context.Context, *pb.GraphRequest) *pb.GraphComplete {
	b, err := os.ReadFile(filepath.Join(guest.WorkDir(), "resources.json"))
	if err != nil {
		return &pb.GraphComplete{Error: err.Error()}
	}
	var names []string
	if err := json.Unmarshal(b, &names); err != nil {
		return &pb.GraphComplete{Error: "resources.json: " + err.Error()}
	}
	c := &pb.GraphComplete{}
	for _, name := range names {
		guest.Info("found " + name)
		c.Resources = append(c.Resources, &pb.Resource{Name: name, Type: "listed"})
	}
	return c
}

// A whole provisioner, and a session with it. In a test, t is the test's own.
func Example() {
	t := new(exampleT)
	defer t.end()

	s := guesttest.New(t)
	s.Use(lister{})
	s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, file("resources.json", `["web", "db"]`))})
	for _, r := range s.Graph(&pb.GraphRequest{}).GetResources() {
		fmt.Println(r.GetType(), r.GetName())
	}
	fmt.Print(s.LogText())
	// Output:
	// listed web
	// listed db
	// INFO: found web
	// INFO: found db
}

func ExampleCommand() {
	t := new(exampleT)
	defer t.end()
	s := guesttest.New(t)
	s.Program("terraform", func(run *guesttest.Run) int {
		fmt.Fprintln(run.Stderr, "no such plan: "+run.Args[2])
		return 1
	})

	out, err := guest.Command(s.Context(), "terraform", "show", "-json", "terraform.tfplan").Output()
	if exit, ok := err.(*guest.ExitError); ok {
		fmt.Printf("%v: %s", err, exit.Stderr)
		return
	}
	fmt.Printf("%s", out)
	// Output: exit status 1: no such plan: terraform.tfplan
}

func ExampleNewLogWriter() {
	t := new(exampleT)
	defer t.end()
	s := guesttest.New(t)
	s.Program("terraform", func(run *guesttest.Run) int {
		fmt.Fprint(run.Stdout, "Initializing\nDone")
		return 0
	})

	stdout := guest.NewLogWriter(pb.LogLevel_INFO)
	c := guest.Command(s.Context(), "terraform", "init")
	c.Stdout = stdout
	err := c.Run()
	stdout.Close()
	fmt.Print(s.LogText(), err)
	// Output:
	// INFO: Initializing
	// INFO: Done
	// <nil>
}
