//! The network is linked and refused at call time.

use crate::harness::tests;
use crate::lab::play;
use mutual_protocol::outcome::Outcome;

tests! {
    creating_a_socket_is_access_denied,
    a_socket_call_of_a_module_is_refused,
}

/// `network.error-code.access-denied`.
const ACCESS_DENIED: u8 = 1;

/// Creates a TCP socket; exits with 100 when that works, and with the error code when it does not.
const SOCKET: &str = r#"(component
    (import "wasi:io/error@0.2.0" (instance))
    (import "wasi:sockets/network@0.2.0" (instance $network
        (type $code (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
            "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit"
            "address-not-bindable" "address-in-use" "remote-unreachable" "connection-refused" "connection-reset"
            "connection-aborted" "datagram-too-large" "name-unresolvable" "temporary-resolver-failure"
            "permanent-resolver-failure"))
        (export "error-code" (type (eq $code)))
        (type $family (enum "ipv4" "ipv6"))
        (export "ip-address-family" (type (eq $family)))))
    (alias export $network "error-code" (type $code))
    (alias export $network "ip-address-family" (type $family))
    (import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
    (alias export $tcp "tcp-socket" (type $socket))
    (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $create
        (export "error-code" (type $c (eq $code)))
        (export "ip-address-family" (type $f (eq $family)))
        (export "tcp-socket" (type $s (eq $socket)))
        (type $result (result (own $s) (error $c)))
        (export "create-tcp-socket" (func (param "address-family" $f) (result $result)))))
    (import "wasi:cli/exit@0.2.6" (instance $exit
        (export "exit-with-code" (func (param "status-code" u8)))))
    (core module $memory (memory (export "memory") 1))
    (core instance $memory (instantiate $memory))
    (core func $create (canon lower (func $create "create-tcp-socket") (memory $memory "memory")))
    (core func $code (canon lower (func $exit "exit-with-code")))
    (core module $m
        (import "e" "memory" (memory 1))
        (import "e" "create" (func $create (param i32 i32)))
        (import "e" "code" (func $code (param i32)))
        (func (export "run") (result i32)
            (call $create (i32.const 0) (i32.const 16))
            (if (i32.eqz (i32.load8_u (i32.const 16))) (then (call $code (i32.const 100))))
            (call $code (i32.load8_u (i32.const 20)))
            (i32.const 0)))
    (core instance $i (instantiate $m (with "e" (instance
        (export "memory" (memory $memory "memory"))
        (export "create" (func $create))
        (export "code" (func $code))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $run (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $run)))"#;

fn creating_a_socket_is_access_denied() {
    let ran = play(SOCKET, |_| ());
    assert_eq!(
        ran.report.outcome,
        Outcome::Finished {
            exit_code: ACCESS_DENIED
        }
    );
}

fn a_socket_call_of_a_module_is_refused() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "sock_shutdown" (func $shutdown (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (call $exit (call $shutdown (i32.const 1) (i32.const 1)))))"#;
    let ran = play(text, |_| ());
    let Outcome::Finished { exit_code } = ran.report.outcome else {
        panic!("{ran:?}")
    };
    assert_ne!(exit_code, 0);
}
