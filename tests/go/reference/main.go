// Reference is a real etcd of one member for tests to compare with. It listens on free ports of
// loopback, prints its client URL when it serves, and ends when its standard input closes: it
// never outlives the test that started it.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
)

func main() {
	config := embed.NewConfig()
	config.Name = "reference"
	config.LogLevel = "error"
	// Nobody asks it what it had before a power cut.
	config.UnsafeNoFsync = true
	flag.StringVar(&config.Dir, "data-dir", "", "where it keeps everything")
	flag.UintVar(&config.MaxRequestBytes, "max-request-bytes", config.MaxRequestBytes, "as of etcd")
	flag.UintVar(&config.TickMs, "heartbeat-interval", config.TickMs, "as of etcd")
	flag.UintVar(&config.ElectionMs, "election-timeout", config.ElectionMs, "as of etcd")
	flag.StringVar(&config.AuthToken, "auth-token", config.AuthToken, "as of etcd")
	flag.UintVar(&config.BcryptCost, "bcrypt-cost", config.BcryptCost, "as of etcd")
	flag.Parse()

	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config.ListenClientUrls, config.AdvertiseClientUrls = loopback, loopback
	config.ListenPeerUrls, config.AdvertisePeerUrls = loopback, loopback
	config.InitialCluster = config.InitialClusterFromName(config.Name)

	etcd, err := embed.StartEtcd(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		// Nothing is ever written to it; what ends is that somebody is there.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	<-etcd.Server.ReadyNotify()
	fmt.Println("http://" + etcd.Clients[0].Addr().String())
	fmt.Fprintln(os.Stderr, <-etcd.Err())
	os.Exit(1)
}
