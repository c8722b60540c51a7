use std::{io::Read, process::Stdio};

use super::*;

#[test]
fn serves_without_settings_and_reports_taken_port() {
    let folder = folder();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let settings = [("ROCKET_PORT", &*port), ("ROCKET_PROFILE", "debug")];
    let mut child = portico(&folder, &[], &settings)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _running = Running(child);
    assert_eq!(line.trim(), format!("Portico is at http://127.0.0.1:{port}"));
    assert_owner_only(&folder.path().join("portico.key"));

    let second = run(&folder, &["serve"], &settings);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("set ROCKET_PORT"), "{}", text(&second.stderr));
}

#[cfg(unix)]
#[test]
fn first_run_logs_no_warning_and_stops_on_interrupt() {
    let folder = folder();
    let port = free_port();
    let settings = [("ROCKET_PORT", &*port.to_string())];
    let mut site = portico(&folder, &[], &settings);
    let mut site = Running(site.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert!(get_when_ready(port).contains(" 200 "));
    interrupt(&site.0);
    assert_eq!(site.0.wait().unwrap().code(), Some(0));
    let (mut printed, mut log) = (String::new(), String::new());
    site.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    site.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(printed, format!("Portico is at http://127.0.0.1:{port}\n"));
    // Other programs may listen on the ports of the development provider and API.
    let unexpected = |line: &&str| !line.contains(" INFO ") && !line.contains("is taken: ");
    assert_eq!(log.lines().find(unexpected), None, "{log}");
    let accounts = "user@example.com or admin@example.com with the password portico";
    assert!(log.lines().any(|line| line.ends_with(accounts)), "{log}");
}

#[cfg(unix)]
#[test]
fn development_accounts_come_from_a_file() {
    let folder = folder();
    let file = folder.path().join("development.toml");
    std::fs::write(&file, "[[accounts]]\nemial = \"ada@example.com\"\n").unwrap();
    let port = free_port();
    let settings = [("ROCKET_PORT", &*port.to_string())];
    let stderr = only_error(&run(&folder, &[], &settings));
    assert!(stderr.contains("development.toml: accounts.0"), "{stderr}");
    assert!(stderr.contains("emial"), "{stderr}");

    std::fs::write(&file, "[[accounts]]\nemail = \"ada@example.com\"\n").unwrap();
    let mut site = portico(&folder, &[], &settings);
    let mut site = Running(site.stderr(Stdio::piped()).spawn().unwrap());
    assert!(get_when_ready(port).contains(" 200 "));
    interrupt(&site.0);
    site.0.wait().unwrap();
    let mut log = String::new();
    site.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("log in as ada@example.com with the password portico"), "{log}");
}

#[test]
fn reports_taken_port_and_creates_no_file() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let settings = [("ROCKET_PORT", &*port), ("ROCKET_PROFILE", "debug")];
    let stderr = only_error(&run(&folder, &[], &settings));
    assert!(stderr.contains(&format!("127.0.0.1:{port} is taken: ")), "{stderr}");
    assert!(stderr.contains("set ROCKET_PORT"), "{stderr}");
    assert!(is_empty(&folder));
}

#[test]
fn reports_address_of_another_machine() {
    let folder = folder();
    // Reserved for documentation (RFC 5737).
    let settings = [("ROCKET_ADDRESS", "192.0.2.1"), ("ROCKET_PROFILE", "debug")];
    let stderr = only_error(&run(&folder, &[], &settings));
    assert!(stderr.contains("192.0.2.1:4040") && stderr.contains("ROCKET_ADDRESS"), "{stderr}");
}

/// The site has a copy of the metadata, which a fault of discovery alone would not change.
#[test]
fn chosen_fault_of_discovery_shows_at_the_next_log_in() {
    let folder = folder();
    let port = free_port();
    let settings = [("ROCKET_PORT", &*port.to_string()), ("ROCKET_PROFILE", "debug")];
    let mut site = portico(&folder, &[], &settings);
    let site = site.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut site = Running(site);
    let mut log = BufReader::new(site.0.stderr.take().unwrap()).lines();
    let line = log.find_map(|line| {
        let line = line.unwrap();
        Some(line.split_once("identity provider is at http://")?.1.to_owned())
    });
    let line = line.unwrap();
    let (provider, _) = line.split_once(';').unwrap();
    get_when_ready(port);
    let log_in = || get_page(port, "/login").unwrap();
    assert!(log_in().contains(" 303 "));

    let mut stream = TcpStream::connect(provider).unwrap();
    let (body, form) = ("fault=discovery", "application/x-www-form-urlencoded");
    let length = body.len();
    let request = format!(
        "POST /misbehave HTTP/1.1\r\nHost: {provider}\r\nContent-Type: {form}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    assert!(answer.contains(" 303 "), "{answer}");
    assert!(log_in().contains(" 503 "));
}

#[test]
fn second_site_in_the_same_folder_takes_the_next_free_ports() {
    let folder = folder();
    let start = || {
        let port = free_port();
        let settings = [("ROCKET_PORT", &*port.to_string()), ("ROCKET_PROFILE", "debug")];
        let mut site = portico(&folder, &[], &settings);
        let site = site.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        (port, Running(site))
    };
    let (first, first_site) = start();
    get_when_ready(first);
    let (second, second_site) = start();
    assert!(get_when_ready(second).contains(" 200 "));
    assert!(get_when_ready(first).contains(" 200 "));
    let [first, second] = [first_site, second_site].map(|mut site| {
        site.0.kill().unwrap();
        let mut log = String::new();
        site.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    });
    let provider = |log: &str| {
        let address = log.split_once("identity provider is at ").unwrap().1;
        address.split_once(';').unwrap().0.to_owned()
    };
    assert_ne!(provider(&first), provider(&second));
    // Which of the default ports are free depends on what else runs on the machine.
    for log in [&first, &second] {
        let is_default = provider(log) == "http://127.0.0.1:4041";
        assert_eq!(log.matches("port 4041 is taken: ").count(), usize::from(!is_default), "{log}");
    }
    assert!([&first, &second].iter().any(|log| log.contains("port 6060 is taken: ")), "{second}");
}

/// The system refuses to let any file grow, as a full disk would.
#[cfg(target_os = "linux")]
#[test]
fn is_not_ready_but_answers_when_disk_is_full() {
    let folder = folder();
    let port = free_port();
    let settings = [("ROCKET_PORT", &*port.to_string()), ("ROCKET_PROFILE", "debug")];
    assert!(run(&folder, &["migrate"], &settings).status.success());
    let mut site = Command::new("sh");
    // In units of 512 bytes. The signal would end the program.
    site.args(["-c", "trap '' XFSZ; ulimit -f 600; exec \"$0\""]);
    site.arg(env!("CARGO_BIN_EXE_portico")).current_dir(&folder).env_clear().envs(settings);
    let site = site.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _running = Running(site);
    assert!(get_when_ready(port).contains(" 200 "));
    let ready = || get_page(port, "/health/ready").unwrap();
    assert!(ready().contains(" 200 "));
    // Each check writes a page to SQLite's log.
    assert!((0..500).any(|_| ready().contains(" 503 ")), "the check writes nothing");
    for (path, status) in [("/", " 200 "), ("/health/live", " 200 "), ("/callback", " 503 ")] {
        let line = get_page(port, path).unwrap();
        assert!(line.contains(status), "{path}: {line}");
    }
    assert!(ready().contains(" 503 "));
}
