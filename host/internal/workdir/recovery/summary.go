package recovery

import (
	"encoding/json"
	"fmt"
)

// Summary is what may be said of a state: no value of it is a secret.
type Summary struct {
	// Engine is the version that wrote it.
	Engine  string `json:"engine_version,omitempty"`
	Serial  int64  `json:"serial"`
	Lineage string `json:"lineage,omitempty"`
	Outputs int    `json:"outputs"`
	// Resources are the instances of managed resources, by type.
	Resources map[string]int `json:"resources"`
}

// Count is the number of resources.
func (s *Summary) Count() int {
	n := 0
	for _, of := range s.Resources {
		n += of
	}
	return n
}

// Summarize looks into a state. One that is of another form than Terraform's is an error.
func Summarize(state []byte) (*Summary, error) {
	var content struct {
		Version   int                        `json:"version"`
		Engine    string                     `json:"terraform_version"`
		Serial    int64                      `json:"serial"`
		Lineage   string                     `json:"lineage"`
		Outputs   map[string]json.RawMessage `json:"outputs"`
		Resources []struct {
			Mode      string            `json:"mode"`
			Type      string            `json:"type"`
			Instances []json.RawMessage `json:"instances"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(state, &content); err != nil {
		return nil, fmt.Errorf("look into the state: %w", err)
	}
	if content.Version != 4 {
		return nil, fmt.Errorf("look into the state: its version is %d, want 4", content.Version)
	}
	s := &Summary{
		Engine: Printable(content.Engine), Serial: content.Serial, Lineage: Printable(content.Lineage), Outputs: len(content.Outputs),
		Resources: make(map[string]int),
	}
	for _, r := range content.Resources {
		if r.Mode == "managed" && len(r.Instances) > 0 {
			s.Resources[Printable(r.Type)] += len(r.Instances)
		}
	}
	return s, nil
}
