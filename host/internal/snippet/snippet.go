// Package snippet finds the code that pages of Markdown show, for the tests that build and run it.
package snippet

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// Block is code that a page shows in a fence, or hides in a comment.
type Block struct {
	// Page is the page's path, and Line where the code begins in it.
	Page string
	Line int
	// Section is the text of the heading above. Number counts the headings up to it, so that sections of one name differ.
	Section string
	Number  int
	// Language is the first word behind the fence, such as "go".
	Language string
	// Note is the comment right before the fence: what a test has to know of the block.
	Note string
	// Hidden says that the block is itself a comment, with the language in its first line: what compilers need and readers don't.
	Hidden bool
	Code   string
}

// String is the block's place.
func (b Block) String() string { return fmt.Sprintf("%s:%d", b.Page, b.Line) }

// Find returns the blocks of a page, from its beginning to its end.
func Find(page string, source []byte) []Block {
	f := finder{page: page, source: source}
	f.walk(f.look)
	return f.blocks
}

// Column returns the cells below that heading, of all tables of a page that begin with it: as Blocks of no language, with the text
// that a cell has in code spans.
func Column(page string, source []byte, heading string) []Block {
	f := finder{page: page, source: source}
	f.walk(func(n ast.Node) {
		if row, ok := n.(*tables.TableRow); ok && f.inline(row.Parent().FirstChild().FirstChild(), false) == heading {
			cell := row.FirstChild()
			f.add(cell, "", f.inline(cell, true))
		}
	})
	return f.blocks
}

// Pages are the paths of a project's pages below its directory, relative to it and with slashes: of all Markdown but what tests and
// tools put there. A page may be a template (.md.tmpl).
func Pages(root string) ([]string, error) {
	var pages []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(strings.TrimSuffix(name, ".tmpl"), ".md"):
			pages = append(pages, name)
		}
		return nil
	})
	return pages, err
}

// Spans returns the code spans of a page that begin so, as Blocks of no language.
func Spans(page string, source []byte, beginning string) []Block {
	f := finder{page: page, source: source}
	f.walk(func(n ast.Node) {
		if n.Kind() == ast.KindCodeSpan && strings.HasPrefix(f.inline(n, false), beginning) {
			f.add(n, "", f.inline(n, false))
		}
	})
	return f.blocks
}

// finder gathers the blocks of one page.
type finder struct {
	page    string
	source  []byte
	section string
	number  int
	blocks  []Block
}

func (f *finder) walk(visit func(ast.Node)) {
	document := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser().Parse(text.NewReader(f.source))
	// The visitor never fails.
	_ = ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			visit(n)
		}
		return ast.WalkContinue, nil
	})
}

func (f *finder) look(n ast.Node) {
	switch n := n.(type) {
	case *ast.Heading:
		f.section, f.number = f.inline(n, false), f.number+1
	case *ast.FencedCodeBlock:
		b := f.add(n, string(n.Language(f.source)), f.lines(n))
		if before, ok := n.PreviousSibling().(*ast.HTMLBlock); ok {
			b.Note = f.comment(before)
		}
	case *ast.HTMLBlock:
		if language, code, ok := strings.Cut(f.comment(n), "\n"); ok {
			b := f.add(n, language, code+"\n")
			b.Hidden = true
			before, _, _ := strings.Cut(f.lines(n), code)
			b.Line += strings.Count(before, "\n")
		}
	}
}

func (f *finder) add(n ast.Node, language, code string) *Block {
	f.blocks = append(f.blocks, Block{
		Page: f.page, Line: f.line(n), Section: f.section, Number: f.number, Language: language, Code: code,
	})
	return &f.blocks[len(f.blocks)-1]
}

// line is the number of a node's first line of text.
func (f *finder) line(n ast.Node) int {
	for ; n != nil; n = n.FirstChild() {
		if n.Type() != ast.TypeInline && n.Lines().Len() > 0 {
			return 1 + bytes.Count(f.source[:n.Lines().At(0).Start], []byte("\n"))
		}
		if t, ok := n.(*ast.Text); ok {
			return 1 + bytes.Count(f.source[:t.Segment.Start], []byte("\n"))
		}
	}
	return 0
}

func (f *finder) lines(n ast.Node) string { return string(n.Lines().Value(f.source)) }

// comment is the text of an HTML comment, or nothing.
func (f *finder) comment(n *ast.HTMLBlock) string {
	whole := f.lines(n)
	if n.HasClosure() {
		whole += string(n.ClosureLine.Value(f.source))
	}
	inner, ok := strings.CutPrefix(strings.TrimSpace(whole), "<!--")
	if !ok {
		return ""
	}
	return strings.TrimSpace(strings.TrimSuffix(inner, "-->"))
}

// inline is the text below a node: all of it, or what is in code spans.
func (f *finder) inline(n ast.Node, codeOnly bool) string {
	var out strings.Builder
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		_, isCode := child.(*ast.CodeSpan)
		if t, ok := child.(*ast.Text); ok && !codeOnly {
			out.Write(t.Value(f.source))
		}
		out.WriteString(f.inline(child, codeOnly && !isCode))
	}
	return out.String()
}
