//! `connect ADDRESS`: tries TCP out, TCP in, UDP and a name, and prints what came of each.

use std::{
    fmt::Debug,
    io,
    net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket},
};

fn main() {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:9".into());
    report("tcp connect", TcpStream::connect(&address));
    report("tcp listen", TcpListener::bind("127.0.0.1:0"));
    report("udp bind", UdpSocket::bind("127.0.0.1:0"));
    report("name", "localhost:80".to_socket_addrs());
}

fn report<T: Debug>(what: &str, result: io::Result<T>) {
    match result {
        Ok(_) => println!("{what}: allowed"),
        Err(error) => println!("{what}: {:?}", error.kind()),
    }
}
