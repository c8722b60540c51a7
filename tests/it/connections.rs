//! Connections that send nothing, too little or too slowly, and too many of them.

use std::time::{Duration, Instant};

use portico::server::Limits;
use portico_tests::site::{Site, SiteOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::{sleep, timeout},
};

/// Time within which the server closes slow connections.
const CLOSED: Duration = Duration::from_secs(4);

const SHORT: Limits = Limits {
    header: Duration::from_millis(500),
    body_pause: Duration::from_millis(400),
    body: Duration::from_millis(1_500),
    body_size: 100_000,
    write_pause: Duration::from_millis(500),
    connections: 100,
    reserve: 4,
    reserve_header: Duration::from_millis(500),
};

async fn site(limits: Limits) -> Site {
    Site::start_with(SiteOptions { limits, ..SiteOptions::default() }).await
}

async fn connect(site: &Site) -> TcpStream {
    TcpStream::connect(("127.0.0.1", site.url.port().unwrap())).await.unwrap()
}

/// The bytes that arrive until the server closes the connection.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let read = timeout(CLOSED, stream.read_to_end(&mut all)).await.expect("it is closed");
    // A reset closes it as well.
    let _ = read;
    String::from_utf8_lossy(&all).into_owned()
}

async fn sent(site: &Site, text: &str) -> TcpStream {
    let mut stream = connect(site).await;
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn status_of(site: &Site, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let response = read_to_end(&mut sent(site, &request).await).await;
    response.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Sends one byte after the other until the server closes the connection, and returns the response.
async fn drip(stream: TcpStream, pause: Duration) -> String {
    let (mut reader, mut writer) = stream.into_split();
    let dripping = async {
        while writer.write_all(b"a").await.is_ok() {
            sleep(pause).await;
        }
        std::future::pending::<()>().await;
    };
    let mut all = Vec::new();
    let read = timeout(CLOSED, reader.read_to_end(&mut all));
    tokio::select! {
        read = read => drop(read.expect("it is closed")),
        () = dripping => {}
    }
    String::from_utf8_lossy(&all).into_owned()
}

const POST: &str = "POST /logout HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: same-origin\r\n\
     Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 600\r\n";

#[tokio::test]
async fn closes_connections_whose_header_does_not_arrive() {
    let site = site(SHORT).await;
    for start in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut stream = sent(&site, start).await;
        let answer = read_to_end(&mut stream).await;
        assert!(!answer.contains(" 200 "), "{start:?}: {answer}");
    }
    let slow = sent(&site, "GET / HTTP/1.1\r\nHost: ").await;
    let answer = drip(slow, Duration::from_millis(50)).await;
    assert!(!answer.contains(" 200 "), "{answer}");
}

#[tokio::test]
async fn closes_connections_whose_body_does_not_arrive() {
    let site = site(SHORT).await;
    let mut missing = sent(&site, &format!("{POST}\r\n")).await;
    let answer = read_to_end(&mut missing).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let slow = sent(&site, &format!("{POST}\r\n")).await;
    let answer = drip(slow, Duration::from_millis(100)).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn closes_idle_connections() {
    let site = site(SHORT).await;
    let start = Instant::now();
    let mut idle = sent(&site, "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = read_to_end(&mut idle).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(start.elapsed() >= SHORT.header, "{:?}", start.elapsed());
}

#[tokio::test]
async fn lets_long_transfers_end() {
    let site = site(SHORT).await;
    let mut stream = sent(&site, &format!("{POST}Connection: close\r\n\r\n")).await;
    for _ in 0..6 {
        stream.write_all(&[b'a'; 100]).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
}

#[tokio::test]
async fn refuses_large_bodies() {
    let site = site(SHORT).await;
    let head = POST.replace("600", "200000");
    let mut stream = sent(&site, &format!("{head}\r\n")).await;
    let _ = stream.write_all(&vec![b'a'; 120_000]).await;
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn answers_health_checks_when_all_connections_are_taken() {
    let header = Duration::from_secs(60);
    let site = site(Limits { header, connections: 8, ..SHORT }).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(connect(&site).await);
    }
    assert_eq!(status_of(&site, "/health/live").await, "200");
    assert_eq!(status_of(&site, "/").await, "503");
    // Those of the reserve are closed soon.
    silent.extend([connect(&site).await, connect(&site).await]);
    for _ in 0..5 {
        assert_eq!(status_of(&site, "/health/live").await, "200");
    }
    drop(silent);
    let start = Instant::now();
    while status_of(&site, "/").await != "200" {
        assert!(start.elapsed() < CLOSED, "the connections stay taken");
        sleep(Duration::from_millis(20)).await;
    }
}

static BEGUN: Semaphore = Semaphore::const_new(0);

#[rocket::get("/slow")]
async fn slow() -> &'static str {
    BEGUN.add_permits(1);
    sleep(Duration::from_millis(500)).await;
    "done"
}

#[tokio::test]
async fn shutdown_waits_for_requests_and_not_for_idle_connections() {
    let shutdown = "{ctrlc=false,signals=[],grace=10,mercy=0}";
    let settings = vec![("ROCKET_SHUTDOWN", shutdown.to_owned())];
    let routes = rocket::routes![slow];
    let site = Site::start_with(SiteOptions { settings, routes, ..SiteOptions::default() }).await;
    let mut silent = connect(&site).await;
    let mut idle = sent(&site, "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.read_u8().await.unwrap();
    let mut busy = sent(&site, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    BEGUN.acquire().await.unwrap().forget();
    let address = ("127.0.0.1", site.url.port().unwrap());
    let start = Instant::now();
    site.stop().await;
    assert!(start.elapsed() < CLOSED, "{:?}", start.elapsed());
    assert!(read_to_end(&mut busy).await.ends_with("done"));
    read_to_end(&mut idle).await;
    read_to_end(&mut silent).await;
    assert!(TcpStream::connect(address).await.is_err());
}

/// A proxy may send a request on an open connection just when the shutdown begins.
#[tokio::test]
async fn open_connections_get_one_more_answer_after_shutdown_began() {
    let shutdown = "{ctrlc=false,signals=[],grace=10,mercy=0}";
    let settings = vec![("ROCKET_SHUTDOWN", shutdown.to_owned())];
    let site = Site::start_with(SiteOptions { settings, ..SiteOptions::default() }).await;
    let mut idle = sent(&site, "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.read_u8().await.unwrap();
    let mut silent = connect(&site).await;
    let address = ("127.0.0.1", site.url.port().unwrap());
    let stopping = tokio::spawn(site.stop());
    while TcpStream::connect(address).await.is_ok() {
        sleep(Duration::from_millis(1)).await;
    }
    for stream in [&mut idle, &mut silent] {
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let answer = read_to_end(stream).await.to_lowercase();
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(answer.ends_with("{\"status\":\"live\"}"), "{answer}");
    }
    stopping.await.unwrap();
}

#[tokio::test]
async fn speaks_http_1_1() {
    let site = site(SHORT).await;
    let get = "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = get.replace("GET", "HEAD");
    let mut pipelined = sent(&site, &format!("{get}{head}{get}")).await;
    let answer = read_to_end(&mut pipelined).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");
    assert_eq!(answer.matches("{\"status\":\"live\"}").count(), 2, "{answer}");
    assert_eq!(answer.to_lowercase().matches("content-length: 17").count(), 3, "{answer}");

    let mut expecting = sent(&site, &format!("{POST}Expect: 100-continue\r\n\r\n")).await;
    let mut start = [0; 12];
    timeout(CLOSED, expecting.read_exact(&mut start)).await.unwrap().unwrap();
    assert_eq!(&start, b"HTTP/1.1 100");
    expecting.write_all(&[b'a'; 600]).await.unwrap();
    assert!(read_to_end(&mut expecting).await.contains("HTTP/1.1 303 "));
}
