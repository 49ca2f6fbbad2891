// SPDX-License-Identifier: Apache-2.0

// Command sample is the program of the lab's sample images: it prints its
// arguments as one line and waits to be told to end.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	line := "sample image running"
	if len(os.Args) > 1 {
		line = strings.Join(os.Args[1:], " ")
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	fmt.Println(line)
	<-signals
}
