use super::*;

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
#[test]
fn names_remedy_for_unwritable_file() {
    let assert_names = |stderr: &str, file: &str, key: &str| {
        assert!(stderr.contains(&format!("{file}: ")) && stderr.contains(key), "{stderr}");
    };
    for command in [&[][..], &["check"], &["migrate"]] {
        let read_only = folder();
        set_mode(read_only.path(), 0o555);
        let stderr = explanation(&run_unprivileged(&read_only, command));
        assert_names(&stderr, "DATABASE_URL: SQLite file portico.db", "set DATABASE_URL");

        let read_only = folder();
        assert!(run(&read_only, &["migrate"], &[]).status.success());
        set_mode(read_only.path(), 0o555);
        let stderr = explanation(&run_unprivileged(&read_only, command));
        assert_names(&stderr, "DATABASE_URL: SQLite file portico.db", "set DATABASE_URL");
        set_mode(read_only.path(), 0o755);

        set_mode(&read_only.path().join("portico.db"), 0o444);
        let stderr = explanation(&run_unprivileged(&read_only, command));
        assert_names(&stderr, "DATABASE_URL: SQLite file portico.db", "set DATABASE_URL");
    }
    let unreadable = folder();
    let key = unreadable.path().join("portico.key");
    std::fs::write(&key, "").unwrap();
    set_mode(&key, 0o000);
    let stderr = explanation(&run_unprivileged(&unreadable, &[]));
    assert_names(&stderr, "portico.key", "ROCKET_SECRET_KEY");
}

#[test]
fn names_remedy_for_file_that_is_no_database() {
    for content in [&b"hello"[..], &[0xA5; 5000]] {
        let folder = folder();
        let file = folder.path().join("portico.db");
        std::fs::write(&file, content).unwrap();
        for command in [&[][..], &["check"], &["migrate"], &["users", "list"]] {
            let settings = [("ROCKET_PROFILE", "debug"), ("ROCKET_PORT", "0")];
            let stderr = explanation(&run(&folder, command, &settings));
            let expected = "DATABASE_URL: SQLite file portico.db: it is not a SQLite database";
            assert!(stderr.contains(expected) && stderr.contains("move it away"), "{stderr}");
        }
        assert_eq!(std::fs::read(&file).unwrap(), content);
    }
}

/// The settings that the release profile requires.
const RELEASE: [(&str, &str); 4] = [
    ("ROCKET_PROFILE", "release"),
    ("ROCKET_SECRET_KEY", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="),
    ("OIDC_ISSUER_URL", "https://id.example"),
    ("OIDC_CLIENT_ID", "portico"),
];

fn write(folder: &TempDir, file: &str, content: &str) {
    std::fs::write(folder.path().join(file), content).unwrap();
}

/// Runs the program in a subfolder.
fn run_in_subfolder(above: &TempDir, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let below = above.path().join("below");
    std::fs::create_dir_all(&below).unwrap();
    portico(above, arguments, settings).current_dir(below).output().unwrap()
}

#[test]
fn release_profile_reads_no_file_from_parent_folders() {
    for (file, content, problem) in [
        (".env", "AUTO_MIGRATE=perhaps\n", "AUTO_MIGRATE"),
        ("Portico.toml", "no_key = 1\n", "no_key"),
    ] {
        let above = folder();
        write(&above, file, content);
        let output = run_in_subfolder(&above, &["migrate"], &RELEASE);
        assert!(output.status.success(), "{file}: {}", text(&output.stderr));

        for output in [
            run_in_subfolder(&above, &["migrate"], &[("ROCKET_PROFILE", "debug")]),
            run(&above, &["migrate"], &RELEASE),
        ] {
            assert_eq!(output.status.code(), Some(1), "{file}");
            assert!(text(&output.stderr).contains(problem), "{file}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn release_profile_set_in_working_directory_ignores_parent_folders() {
    let above = folder();
    write(&above, "Portico.toml", "no_key = 1\n");
    std::fs::create_dir(above.path().join("below")).unwrap();
    let lines: String = RELEASE.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    write(&above, "below/.env", &lines);
    let output = run_in_subfolder(&above, &["migrate"], &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn file_in_parent_folder_does_not_set_profile() {
    let above = folder();
    write(&above, ".env", "ROCKET_PROFILE=release\n");
    std::fs::create_dir(above.path().join("below")).unwrap();
    write(&above, "below/Portico.toml", "rocket_profile = \"debug\"\n");
    let output = run_in_subfolder(&above, &["migrate"], &RELEASE[1..]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("ROCKET_PROFILE (from ") && stderr.contains(".env"), "{stderr}");
}

#[test]
fn ignores_rocket_toml() {
    let folder = folder();
    write(&folder, "Rocket.toml", "[default]\naddress = \"192.0.2.1\"\n");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let settings = [("ROCKET_PORT", &*port), ("ROCKET_PROFILE", "debug")];
    let stderr = only_error(&run(&folder, &[], &settings));
    assert!(stderr.contains(&format!("127.0.0.1:{port} is taken")), "{stderr}");
}

#[test]
fn config_option_replaces_files_of_working_directory() {
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
        let stderr = text(&run(&folder, &["migrate", "--config", &file], &RELEASE).stderr);
        assert!(stderr.contains("SESSION_STORE (from ") && stderr.contains(name), "{stderr}");
        assert_eq!(stderr.lines().count(), 2, "{stderr}");
    }
    let output = run(&folder, &["migrate", "--config", &file("missing.toml")], &RELEASE);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("missing.toml"), "{stderr}");
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn warns_about_config_file_writable_by_others() {
    let folder = folder();
    let debug = [("ROCKET_PROFILE", "debug")];
    for (file, content) in
        [(".env", "AUTO_MIGRATE=true"), ("Portico.toml", "auto_migrate = true"), ("x.env", "")]
    {
        write(&folder, file, content);
        let path = folder.path().join(file);
        let arguments =
            if file == "x.env" { &["--config", file, "migrate"][..] } else { &["migrate"] };
        // Where each user has a group of their own, files are often writable by the group.
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
fn refuses_key_file_readable_by_others() {
    let folder = folder();
    let debug = [("ROCKET_PROFILE", "debug")];
    assert!(run(&folder, &["check"], &debug).status.success());
    let key = folder.path().join("portico.key");
    for mode in [0o640, 0o604, 0o666] {
        set_mode(&key, mode);
        let stderr = explanation(&run(&folder, &["check"], &debug));
        assert!(
            stderr.contains("portico.key: other users can use it") && stderr.contains("chmod"),
            "{stderr}"
        );
    }
    set_mode(&key, 0o400);
    assert!(run(&folder, &["check"], &debug).status.success());
}
