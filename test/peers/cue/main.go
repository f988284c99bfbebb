// Command cue-validate judges statements by CUE as policy-controller does. It reads lines {"cue", "json"}, a rule and a
// statement, and answers each with a line {"parses", "admits", "error"}: whether the rule is CUE, and lets the statement pass.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/parser"
)

type question struct {
	CUE  string `json:"cue"`
	JSON string `json:"json"`
}

type answer struct {
	Parses bool   `json:"parses"`
	Admits bool   `json:"admits"`
	Error  string `json:"error,omitempty"`
}

// statement has the fields of in_toto.Statement.
type statement struct {
	Type          string    `json:"_type"`
	PredicateType string    `json:"predicateType"`
	Subject       []subject `json:"subject"`
	Predicate     any       `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	out := bufio.NewWriter(os.Stdout)
	answers := json.NewEncoder(out)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fail(err)
		}
		if err := answers.Encode(judge(asked)); err != nil {
			fail(err)
		}
	}
	if err := lines.Err(); err != nil {
		fail(err)
	}
	if err := out.Flush(); err != nil {
		fail(err)
	}
}

// judge takes the steps of cosign's AttestationToPayloadJSON, for a type that is a URI, and of its EvaluatePolicyAgainstJSON.
// A rule that CUE cannot take without panic admits nothing.
func judge(asked question) (said answer) {
	defer func() {
		if reason := recover(); reason != nil {
			said = answer{Parses: true, Error: fmt.Sprint("panic: ", reason)}
		}
	}()
	if _, err := parser.ParseFile("", asked.CUE); err != nil {
		return answer{Error: err.Error()}
	}
	context := cuecontext.New()
	rule := context.CompileString(asked.CUE)
	if err := rule.Err(); err != nil {
		return answer{Parses: true, Error: err.Error()}
	}
	var read statement
	if err := json.Unmarshal([]byte(asked.JSON), &read); err != nil {
		return answer{Parses: true, Error: err.Error()}
	}
	payload, err := json.Marshal(read)
	if err != nil {
		return answer{Parses: true, Error: err.Error()}
	}
	return validate(context, rule, payload)
}

func validate(context *cue.Context, rule cue.Value, payload []byte) answer {
	value := context.CompileBytes(payload)
	if err := value.Err(); err != nil {
		return answer{Parses: true, Error: err.Error()}
	}
	if err := rule.Unify(value).Validate(); err != nil {
		return answer{Parses: true, Error: err.Error()}
	}
	return answer{Parses: true, Admits: true}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "cue-validate:", err)
	os.Exit(1)
}
