//! `cat-env NAME…`: the value of each variable, `NAME=VALUE` or `NAME` alone when it is not set.

fn main() {
    for name in std::env::args().skip(1) {
        match std::env::var(&name) {
            Ok(value) => println!("{name}={value}"),
            Err(_) => println!("{name}"),
        }
    }
}
