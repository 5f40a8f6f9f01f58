// What the tests use of etcd itself: its newest command line, built by the tests, and its server,
// to hold the tests against:
//   cd tests/go && GOFLAGS=-mod=mod go build -o ../../target/etcd-3.7.1 go.etcd.io/etcd/server/v3
module etcd-tests

go 1.26

require (
	go.etcd.io/etcd/etcdctl/v3 v3.7.1
	go.etcd.io/etcd/server/v3 v3.7.1
)
