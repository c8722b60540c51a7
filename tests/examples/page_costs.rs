//! Requests one page again and again over a kept connection, for counting what a request costs:
//! `cargo run --release -p portico-tests --example page_costs -- /profile 1000`.
//!
//! Run it under `valgrind --tool=none` or `--tool=callgrind` with two counts; the difference of the
//! instructions, divided by the difference of the counts, is the cost of one request. `/profile` and
//! the other protected pages are requested with the session of a user who is logged in.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints figures")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use portico_tests::site::Site;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "/profile".into());
    let count: usize = arguments.next().map_or(1_000, |count| count.parse().unwrap());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (site, cookies) = runtime.block_on(async {
        let site = Site::start().await;
        let logged_in = !matches!(&*path, "/" | "/login" | "/docs");
        let cookies = match logged_in {
            true => site.signed_in("user@example.com").await.0.cookies().unwrap(),
            false => String::new(),
        };
        (site, cookies)
    });
    let address = site.url.socket_addrs(|| None).unwrap()[0];
    let mut connection = BufReader::new(TcpStream::connect(address).unwrap());
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n\
         Cookie: {cookies}\r\n\r\n"
    );
    let mut bytes = 0;
    for _ in 0..count {
        connection.get_mut().write_all(request.as_bytes()).unwrap();
        bytes = response_size(&mut connection);
    }
    println!("{path}: {count} requests, {bytes} bytes of body");
}

/// Reads one response and returns the length of its body in bytes.
fn response_size(connection: &mut BufReader<TcpStream>) -> usize {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        connection.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).unwrap();
    length
}
