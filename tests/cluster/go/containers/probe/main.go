// What a pod can do, tried one after the other: probe resolve NAME | dial HOST:PORT | write FILE | listen :PORT | wait.
// Ends with 1 at the first thing that cannot be done, saying why.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	words := os.Args[1:]
	for len(words) > 0 {
		action := words[0]
		if action == "wait" {
			signals := make(chan os.Signal, 1)
			signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
			fmt.Println("waiting")
			<-signals
			return
		}
		if len(words) < 2 {
			fmt.Println(action, "of what?")
			os.Exit(2)
		}
		if err := try(action, words[1]); err != nil {
			fmt.Println(action, words[1], "failed:", err)
			os.Exit(1)
		}
		fmt.Println(action, words[1], "done")
		words = words[2:]
	}
}

func try(action, argument string) error {
	switch action {
	case "resolve":
		_, err := net.LookupHost(argument)
		return err
	case "dial":
		connection, err := net.DialTimeout("tcp", argument, 10*time.Second)
		if err == nil {
			connection.Close()
		}
		return err
	case "write":
		return os.WriteFile(argument, []byte("written\n"), 0o600)
	case "listen":
		listener, err := net.Listen("tcp", argument)
		if err == nil {
			go func() {
				for {
					if connection, err := listener.Accept(); err == nil {
						connection.Close()
					}
				}
			}()
		}
		return err
	}
	return fmt.Errorf("no such thing to try")
}
