package kit

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteJUnit writes the report in the XML that continuous integration reads.
func (r *Report) WriteJUnit(w io.Writer) error {
	suite := junitSuite{Name: "provisor-conformance " + r.Plugin, Tests: len(r.Results), Failures: r.Count(Failed), Skipped: r.Count(Skipped)}
	suite.Timestamp = r.Began.UTC().Format("2006-01-02T15:04:05")
	for _, p := range [][2]string{{"plugin", r.Plugin}, {"version", r.Version}, {"sha256", r.Digest}} {
		suite.Properties = append(suite.Properties, junitProperty{p[0], p[1]})
	}
	var total time.Duration
	for _, result := range r.Results {
		total += result.Duration
		suite.Cases = append(suite.Cases, junitCaseOf(r.Plugin, result))
	}
	suite.Time = seconds(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(junitSuites{Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitCaseOf(plugin string, result Result) junitCase {
	c := junitCase{Class: "provisor." + plugin, Name: result.Name, Time: seconds(result.Duration)}
	first, _, _ := strings.Cut(result.Text, "\n")
	switch result.Outcome {
	case Failed:
		c.Failure = &junitText{Message: first, Text: result.Proves + "\n" + result.Text}
	case Skipped:
		c.Skipped = &junitText{Message: first}
	}
	return c
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Time    string     `xml:"time,attr"`
	Failure *junitText `xml:"failure,omitempty"`
	Skipped *junitText `xml:"skipped,omitempty"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}
