//! The command line, as an operator meets it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use portico::config::Settings;
use portico_adapters::users::diesel_users;
use portico_domain::model::{Profile, Subject};
use tempfile::TempDir;

/// The program in a folder of its own, with nothing set but what the test sets.
fn portico(folder: &TempDir, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portico"));
    command.current_dir(folder).env_clear().args(arguments).envs(settings.iter().copied());
    command
}

fn run(folder: &TempDir, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    portico(folder, arguments, settings).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn secret_prints_a_new_key_each_time() {
    let folder = folder();
    let keys: Vec<_> = (0..2).map(|_| text(&run(&folder, &["secret"], &[]).stdout)).collect();
    assert_ne!(keys[0], keys[1]);
    let key = keys[0].trim();
    assert!(portico::config::SecretKey::parse(key).is_some(), "{key}");
}

#[test]
fn every_command_explains_itself() {
    let folder = folder();
    for command in [
        &["--help"][..],
        &["serve", "--help"],
        &["check", "--help"],
        &["migrate", "--help"],
        &["secret", "--help"],
        &["users", "list", "--help"],
    ] {
        let output = run(&folder, command, &[]);
        assert!(output.status.success(), "{command:?}");
        assert!(text(&output.stdout).contains("Usage: portico"), "{command:?}");
    }
}

#[test]
fn all_problems_with_the_settings_are_told_at_once() {
    let folder = folder();
    let settings =
        [("ROCKET_PORT", "eighty"), ("OIDC_CLIENT_SECRET", "hunter2"), ("AUTO_MIGRATE", "hunter2")];
    let output = run(&folder, &[], &settings);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    for key in ["ROCKET_PORT", "OIDC_ISSUER_URL", "OIDC_CLIENT_ID", "AUTO_MIGRATE"] {
        assert!(told.contains(key), "{key}: {told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn the_release_profile_refuses_the_development_provider_and_names_the_settings_to_give() {
    let folder = folder();
    let output = run(&folder, &["serve"], &[("ROCKET_PROFILE", "release")]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    for key in ["AUTH0_DOMAIN", "OIDC_ISSUER_URL", "ROCKET_SECRET_KEY"] {
        assert!(told.contains(key), "{key}: {told}");
    }
}

#[test]
fn migrate_makes_a_database_for_its_owner_only_and_can_be_repeated() {
    let folder = folder();
    for _ in 0..2 {
        let output = run(&folder, &["migrate"], &[("ROCKET_PROFILE", "debug")]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    assert_owner_only(&folder.path().join("portico.db"));
}

#[cfg(unix)]
fn assert_owner_only(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(not(unix))]
fn assert_owner_only(_: &Path) {}

#[test]
fn users_can_be_listed_and_nobody_is_told_as_such() {
    let folder = folder();
    run(&folder, &["migrate"], &[]);
    let list = run(&folder, &["users", "list"], &[]);
    assert!(list.status.success() && list.stdout.is_empty(), "{}", text(&list.stderr));
    for command in ["show", "delete"] {
        let output = run(&folder, &["users", command, "https://id.example", "nobody"], &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("nobody with that issuer"), "{command}");
    }
}

#[test]
fn check_tries_everything_and_fails_when_one_part_does() {
    let folder = folder();
    run(&folder, &["migrate"], &[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let settings =
        [("OIDC_ISSUER_URL", &*address), ("OIDC_CLIENT_ID", "x"), ("API_SERVER_URL", &*address)];
    let output = run(&folder, &["check"], &settings);
    assert_eq!(output.status.code(), Some(1));
    let lines = text(&output.stdout);
    let fails =
        |what: &str| lines.lines().any(|line| line.starts_with(what) && line.contains("FAIL"));
    assert!(fails("provider") && fails("API") && !fails("database"), "{lines}");
}

#[test]
fn check_tries_the_session_store_and_shows_no_password() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("redis://:hunter2@{}", taken.local_addr().unwrap());
    drop(taken);
    let settings =
        [("ROCKET_PROFILE", "debug"), ("SESSION_STORE", "redis"), ("REDIS_URL", &address)];
    let output = run(&folder, &["check"], &settings);
    assert_eq!(output.status.code(), Some(1));
    let (lines, log) = (text(&output.stdout), text(&output.stderr));
    assert!(
        lines.lines().any(|line| line.starts_with("sessions") && line.contains("FAIL")),
        "{lines}{log}"
    );
    assert!(!lines.contains("hunter2") && !log.contains("hunter2"), "{lines}{log}");
}

#[test]
fn check_is_content_with_the_development_world() {
    let folder = folder();
    let output = run(&folder, &["check"], &[("ROCKET_PROFILE", "debug")]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// Ends the program with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn without_settings_it_serves_and_a_taken_port_is_told_as_such() {
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

/// Accepts one connection and hands over the first line of its request.
fn first_request_line(listener: TcpListener) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    })
}

#[test]
fn asks_no_proxy_for_loopback() {
    let folder = folder();
    let nobody = "http://127.0.0.1:1";
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"];
    let mut settings = vec![("ROCKET_PROFILE", "debug")];
    settings.extend(proxies.map(|name| (name, nobody)));
    let output = run(&folder, &["check"], &settings);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn asks_proxy_for_other_hosts() {
    let folder = folder();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let asked = first_request_line(proxy);
    let settings = [
        ("ROCKET_PROFILE", "debug"),
        ("HTTP_PROXY", &*address),
        ("OIDC_ISSUER_URL", "http://id.example"),
        ("OIDC_CLIENT_ID", "portico"),
    ];
    let output = run(&folder, &["check"], &settings);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let line = asked.join().unwrap();
    assert!(line.starts_with("GET http://id.example/.well-known/"), "{line}");
}

/// A pipe that nobody reads any more.
fn closed_pipe() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

/// Adds a user to the folder's database.
fn add_user(folder: &TempDir) {
    let url = format!("sqlite://{}", folder.path().join("portico.db").display());
    let settings = Settings::from_pairs([("ROCKET_PROFILE", "debug"), ("DATABASE_URL", &url)]);
    let database = portico::open_database(&settings.unwrap()).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        database.migrate().await.unwrap();
        let user = Subject::new("https://id.example", "ada");
        let now = std::time::SystemTime::UNIX_EPOCH.into();
        diesel_users(&database).record_login(&user, &Profile::default(), now).await.unwrap();
    });
}

#[test]
fn output_commands_survive_closed_pipe() {
    let folder = folder();
    add_user(&folder);
    let show = ["users", "show", "https://id.example", "ada"];
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        // What was asked for did not arrive.
        (&["secret"], 1),
        (&["users", "list"], 1),
        (&show, 1),
        // The work was done.
        (&["migrate"], 0),
        (&["check"], 0),
    ] {
        let output = portico(&folder, arguments, &[("ROCKET_PROFILE", "debug")])
            .stdout(closed_pipe())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(!told.contains("panicked") && !told.contains("portico: "), "{arguments:?}: {told}");
    }
}

#[test]
fn commands_end_with_their_exit_code_when_outputs_are_closed() {
    let folder = folder();
    for (arguments, code) in
        [(&["secret"][..], 0), (&["check", "--nonsense"], 2), (&["users", "show", "a", "b"], 1)]
    {
        for closed in [">&-", "2>&-", ">&- 2>&-"] {
            let mut shell = Command::new("sh");
            shell.current_dir(&folder).env_clear();
            shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {closed}"));
            shell.arg(env!("CARGO_BIN_EXE_portico")).args(arguments);
            let output = shell.output().unwrap();
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{arguments:?} {closed}: {told}");
            assert!(!told.contains("panicked"), "{arguments:?} {closed}: {told}");
        }
        let mut unread = portico(&folder, arguments, &[]);
        let status = unread.stdout(Stdio::null()).stderr(closed_pipe()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_error_of_standard_output() {
    let folder = folder();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = portico(&folder, &["secret"], &[]);
    let output = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.starts_with("portico: ") && told.lines().count() == 1, "{told}");
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The status line of `GET /`. `None` while nobody listens on the port.
fn get(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    (!line.is_empty()).then_some(line)
}

/// Waits until the site answers; its status line.
fn get_when_ready(port: u16) -> String {
    let begun = Instant::now();
    loop {
        if let Some(line) = get(port) {
            return line;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody answers on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends the signal that Ctrl-C sends.
#[cfg(unix)]
fn interrupt(child: &Child) {
    let kill = Command::new("sh").arg("-c").arg(format!("kill -INT {}", child.id())).status();
    assert!(kill.unwrap().success());
}

#[cfg(unix)]
#[test]
fn serves_although_outputs_are_closed() {
    let folder = folder();
    let port = free_port();
    let settings = [("ROCKET_PORT", &*port.to_string()), ("ROCKET_PROFILE", "debug")];
    let mut site = portico(&folder, &[], &settings);
    let mut site = Running(site.stdout(closed_pipe()).stderr(closed_pipe()).spawn().unwrap());
    for _ in 0..3 {
        assert!(get_when_ready(port).contains(" 200 "));
    }
    interrupt(&site.0);
    assert_eq!(site.0.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn first_run_warns_of_nothing_and_ends_on_interrupt() {
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
    let worrying = |line: &&str| !line.contains(" INFO ") && !line.contains("is taken: ");
    assert_eq!(log.lines().find(worrying), None, "{log}");
    let accounts = "user@example.com or admin@example.com with the password portico";
    assert!(log.lines().any(|line| line.ends_with(accounts)), "{log}");
}

/// The only line of what the command wrote to standard error, which ended with 1.
fn only_error(output: &Output) -> String {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    told
}

fn is_empty(folder: &TempDir) -> bool {
    folder.path().read_dir().unwrap().next().is_none()
}

#[test]
fn names_taken_port_and_leaves_nothing_behind() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let settings = [("ROCKET_PORT", &*port), ("ROCKET_PROFILE", "debug")];
    let told = only_error(&run(&folder, &[], &settings));
    assert!(told.contains(&format!("127.0.0.1:{port} is taken: ")), "{told}");
    assert!(told.contains("set ROCKET_PORT"), "{told}");
    assert!(is_empty(&folder));
}

#[test]
fn names_address_that_is_not_of_this_machine() {
    let folder = folder();
    // Reserved for documentation (RFC 5737).
    let settings = [("ROCKET_ADDRESS", "192.0.2.1"), ("ROCKET_PROFILE", "debug")];
    let told = only_error(&run(&folder, &[], &settings));
    assert!(told.contains("192.0.2.1:4040") && told.contains("ROCKET_ADDRESS"), "{told}");
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
    let (first, _first) = start();
    get_when_ready(first);
    let (second, mut site) = start();
    assert!(get_when_ready(second).contains(" 200 "));
    assert!(get_when_ready(first).contains(" 200 "));
    site.0.kill().unwrap();
    let mut log = String::new();
    site.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    for port in ["port 4041 is taken: ", "port 6060 is taken: "] {
        assert_eq!(log.matches(port).count(), 1, "{log}");
    }
}

/// Runs the program without the right of the superuser to write where the mode forbids it.
#[cfg(target_os = "linux")]
fn run_unprivileged(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(env!("CARGO_BIN_EXE_portico"));
    let path = std::env::var_os("PATH").unwrap();
    command.current_dir(folder).env_clear().env("PATH", path).env("ROCKET_PROFILE", "debug");
    command.env("ROCKET_PORT", free_port().to_string()).args(arguments).output().unwrap()
}

#[cfg(target_os = "linux")]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn names_remedy_for_what_cannot_be_written() {
    let remedies = |told: &str, file: &str, key: &str| {
        assert!(told.contains(&format!("{file}: ")) && told.contains(key), "{told}");
    };
    for command in [&[][..], &["check"], &["migrate"]] {
        let read_only = folder();
        set_mode(read_only.path(), 0o555);
        let told = only_error(&run_unprivileged(&read_only, command));
        remedies(&told, "DATABASE_URL: SQLite file portico.db", "set DATABASE_URL");

        let read_only = folder();
        assert!(run(&read_only, &["migrate"], &[]).status.success());
        set_mode(read_only.path(), 0o555);
        let told = only_error(&run_unprivileged(&read_only, command));
        remedies(&told, "DATABASE_URL: SQLite file portico.db", "set DATABASE_URL");
        set_mode(read_only.path(), 0o755);

        set_mode(&read_only.path().join("portico.db"), 0o444);
        let told = only_error(&run_unprivileged(&read_only, command));
        remedies(&told, "DATABASE_URL: SQLite file portico.db", "set DATABASE_URL");
    }
    let unreadable = folder();
    let key = unreadable.path().join("portico.key");
    std::fs::write(&key, "").unwrap();
    set_mode(&key, 0o000);
    let told = only_error(&run_unprivileged(&unreadable, &[]));
    remedies(&told, "portico.key", "ROCKET_SECRET_KEY");
}

#[test]
fn names_remedy_for_database_file_that_is_none() {
    for content in [&b"hello"[..], &[0xA5; 5000]] {
        let folder = folder();
        let file = folder.path().join("portico.db");
        std::fs::write(&file, content).unwrap();
        for command in [&[][..], &["check"], &["migrate"], &["users", "list"]] {
            let settings = [("ROCKET_PROFILE", "debug"), ("ROCKET_PORT", "0")];
            let told = only_error(&run(&folder, command, &settings));
            let expected = "DATABASE_URL: SQLite file portico.db: it is not a SQLite database";
            assert!(told.contains(expected) && told.contains("move it away"), "{told}");
        }
        assert_eq!(std::fs::read(&file).unwrap(), content);
    }
}

/// What the release profile demands.
const RELEASE: [(&str, &str); 4] = [
    ("ROCKET_PROFILE", "release"),
    ("ROCKET_SECRET_KEY", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="),
    ("OIDC_ISSUER_URL", "https://id.example"),
    ("OIDC_CLIENT_ID", "portico"),
];

fn write(folder: &TempDir, file: &str, content: &str) {
    std::fs::write(folder.path().join(file), content).unwrap();
}

/// Runs the program in a folder below.
fn run_below(above: &TempDir, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let below = above.path().join("below");
    std::fs::create_dir_all(&below).unwrap();
    portico(above, arguments, settings).current_dir(below).output().unwrap()
}

#[test]
fn release_reads_no_file_from_folders_above() {
    for (file, content, problem) in [
        (".env", "AUTO_MIGRATE=perhaps\n", "AUTO_MIGRATE"),
        ("Portico.toml", "no_key = 1\n", "no_key"),
    ] {
        let above = folder();
        write(&above, file, content);
        let output = run_below(&above, &["migrate"], &RELEASE);
        assert!(output.status.success(), "{file}: {}", text(&output.stderr));

        for output in [
            run_below(&above, &["migrate"], &[("ROCKET_PROFILE", "debug")]),
            run(&above, &["migrate"], &RELEASE),
        ] {
            assert_eq!(output.status.code(), Some(1), "{file}");
            assert!(text(&output.stderr).contains(problem), "{file}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn release_profile_of_the_working_directory_hides_folders_above() {
    let above = folder();
    write(&above, "Portico.toml", "no_key = 1\n");
    std::fs::create_dir(above.path().join("below")).unwrap();
    let lines: String = RELEASE.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    write(&above, "below/.env", &lines);
    let output = run_below(&above, &["migrate"], &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn file_above_does_not_choose_the_profile() {
    let above = folder();
    write(&above, ".env", "ROCKET_PROFILE=release\n");
    std::fs::create_dir(above.path().join("below")).unwrap();
    write(&above, "below/Portico.toml", "rocket_profile = \"debug\"\n");
    let output = run_below(&above, &["migrate"], &RELEASE[1..]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("ROCKET_PROFILE (from ") && told.contains(".env"), "{told}");
}

#[test]
fn reads_no_settings_of_rocket_file() {
    let folder = folder();
    write(&folder, "Rocket.toml", "[default]\naddress = \"192.0.2.1\"\n");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let settings = [("ROCKET_PORT", &*port), ("ROCKET_PROFILE", "debug")];
    let told = only_error(&run(&folder, &[], &settings));
    assert!(told.contains(&format!("127.0.0.1:{port} is taken")), "{told}");
}

#[test]
fn config_file_stands_in_for_the_files_of_the_working_directory() {
    let elsewhere = folder();
    let folder = folder();
    write(&folder, ".env", "AUTO_MIGRATE=perhaps\n");
    write(&folder, "Portico.toml", "no_key = 1\n");
    let file = |name: &str| elsewhere.path().join(name).display().to_string();
    for (name, good, bad) in [
        ("site.toml", "session_store = \"database\"\n", "session_store = \"paper\"\n"),
        ("site.env", "SESSION_STORE=database\n", "SESSION_STORE=paper\n"),
    ] {
        write(&elsewhere, name, good);
        let file = file(name);
        for arguments in [["--config", &file, "migrate"], ["migrate", "--config", &file]] {
            for settings in [&RELEASE[..], &[("ROCKET_PROFILE", "debug")]] {
                let output = run(&folder, &arguments, settings);
                assert!(output.status.success(), "{name}: {}", text(&output.stderr));
            }
        }
        write(&elsewhere, name, bad);
        let told = text(&run(&folder, &["check", "--config", &file], &RELEASE).stderr);
        assert!(told.contains("SESSION_STORE (from ") && told.contains(name), "{told}");
        assert_eq!(told.lines().count(), 2, "{told}");
    }
    let output = run(&folder, &["migrate", "--config", &file("missing.toml")], &RELEASE);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("missing.toml"), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[cfg(target_os = "linux")]
#[test]
fn warns_about_config_files_that_others_can_write() {
    let folder = folder();
    let debug = [("ROCKET_PROFILE", "debug")];
    for (file, content) in
        [(".env", "AUTO_MIGRATE=true"), ("Portico.toml", "auto_migrate = true"), ("x.env", "")]
    {
        write(&folder, file, content);
        let path = folder.path().join(file);
        let arguments =
            if file == "x.env" { &["--config", file, "migrate"][..] } else { &["migrate"] };
        // Development machines with a group for each user make files that the group can write.
        for (mode, settings, warned) in [
            (0o600, &RELEASE[..], false),
            (0o644, &RELEASE, false),
            (0o664, &RELEASE, true),
            (0o646, &RELEASE, true),
            (0o664, &debug, false),
            (0o646, &debug, true),
        ] {
            set_mode(&path, mode);
            let output = run(&folder, arguments, settings);
            assert!(output.status.success());
            let log = text(&output.stderr);
            let found = log.lines().any(|line| line.contains(" WARN ") && line.contains(file));
            assert_eq!(found, warned, "{file} {mode:o}: {log}");
        }
        std::fs::remove_file(path).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn refuses_key_file_that_others_can_read() {
    let folder = folder();
    let debug = [("ROCKET_PROFILE", "debug")];
    assert!(run(&folder, &["check"], &debug).status.success());
    let key = folder.path().join("portico.key");
    for mode in [0o640, 0o604, 0o666] {
        set_mode(&key, mode);
        let told = only_error(&run(&folder, &["check"], &debug));
        assert!(
            told.contains("portico.key: other users can use it") && told.contains("chmod"),
            "{told}"
        );
    }
    set_mode(&key, 0o400);
    assert!(run(&folder, &["check"], &debug).status.success());
}
