// The yardstick of the accepts: a back end that answers at once and keeps nothing. Each POST starts a goroutine that
// sleeps as long as a slow mail server takes, and is answered with 202. A crash loses all of them, nothing bounds them.
//
//	go build -o goroutine goroutine.go && ./goroutine 127.0.0.1:8090
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"
)

const mailServerTakes = 3 * time.Second

func accept(answer http.ResponseWriter, request *http.Request) {
	var mail struct {
		To       string            `json:"to"`
		Template string            `json:"template"`
		Data     map[string]string `json:"data"`
	}
	if err := json.NewDecoder(request.Body).Decode(&mail); err != nil {
		http.Error(answer, "not JSON", http.StatusBadRequest)
		return
	}
	go func() { time.Sleep(mailServerTakes) }()
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(http.StatusAccepted)
	if _, err := answer.Write([]byte("{\"state\":\"started\"}\n")); err != nil {
		log.Print(err)
	}
}

func main() {
	http.HandleFunc("/accept", accept)
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
