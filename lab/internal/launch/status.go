// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/control"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/proc"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/supervise"
)

// Status is the state of a lab.
type Status struct {
	State    string             `json:"state"`
	Dir      string             `json:"dir"`
	InitPid  int                `json:"initPid,omitempty"`
	Services []supervise.Status `json:"services,omitempty"`
}

// The states of a lab.
const (
	isUp       = "up"
	isStarting = "starting"
	isBroken   = "broken"
	isDown     = "down"
)

// Inspect finds out the state of a lab.
func Inspect(d statedir.Dir) (Status, error) {
	s := Status{State: isDown, Dir: string(d)}
	if _, err := os.Stat(string(d)); err != nil {
		return s, nil
	}
	state, err := d.LoadState()
	if err != nil {
		return s, err
	}
	if !proc.Alive(state.Init) && !state.Init.InOwnNamespace() {
		s.State = isBroken
		return s, nil
	}
	s.State, s.InitPid = isStarting, state.Init.Pid
	if d.Ready() {
		s.State = isUp
	}
	r, err := control.Ask(d.Control(), control.Request{Order: "status"})
	if err != nil {
		s.State = isBroken
		return s, nil
	}
	s.Services = r.Services
	return s, nil
}

// Up says whether the lab can be used.
func (s Status) Up() bool { return s.State == isUp }

// Print writes the status for people, or for programs.
func (s Status) Print(asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	fmt.Printf("lab: %s, in %s\n", s.State, s.Dir)
	if s.State == isBroken {
		fmt.Println("lab: it was killed or never came up whole; " +
			"'portieris-app lab up' or 'down' cleans up")
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, v := range s.Services {
		fmt.Fprintf(w, "  %s\t%s\tfor %s\trestarts %d\n", v.Name, v.State,
			time.Since(v.Since).Round(time.Second), v.Restarts)
	}
	return w.Flush()
}
