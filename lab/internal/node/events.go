// SPDX-License-Identifier: Apache-2.0

package node

import (
	"encoding/json"
	"io"
	"sync"
)

// Event is what the inside tells 'lab up' while the lab starts.
type Event struct {
	// Waiting names what comes next, Done what has come.
	Waiting string `json:"waiting,omitempty"`
	Done    string `json:"done,omitempty"`
	Ready   bool   `json:"ready,omitempty"`
	// Error ends the start. Service is the log that matters, if one does.
	Error   string `json:"error,omitempty"`
	Service string `json:"service,omitempty"`
}

// reporter writes events as lines of JSON.
type reporter struct {
	mu  sync.Mutex
	out *json.Encoder
}

func newReporter(w io.Writer) *reporter { return &reporter{out: json.NewEncoder(w)} }

func (r *reporter) tell(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.out.Encode(e) // nobody listens any more once the lab is up
}
