use std::process::Stdio;

use super::*;

/// A pipe whose reader is closed.
fn closed_pipe() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

#[test]
fn output_commands_survive_closed_pipe() {
    let folder = folder();
    add_user(&folder, "ada");
    let show = ["users", "show", "https://id.example", "ada"];
    for (arguments, code) in [
        (&["--help"][..], 1),
        (&["--version"], 1),
        (&["secret"], 1),
        (&["users", "list"], 1),
        (&show, 1),
        (&["check"], 1),
        // The output only reports what was done.
        (&["migrate"], 0),
    ] {
        let output = portico(&folder, arguments, &[("ROCKET_PROFILE", "debug")])
            .stdout(closed_pipe())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(
            !stderr.contains("panicked") && !stderr.contains("portico: "),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn keeps_exit_code_when_outputs_are_closed() {
    let folder = folder();
    add_user(&folder, "ada");
    let show = ["users", "show", "https://id.example", "ada"];
    // Only Linux says whether standard output was closed.
    let unprinted = i32::from(cfg!(target_os = "linux"));
    for (arguments, code, closed_stdout) in [
        (&["secret"][..], 0, unprinted),
        (&["users", "list"], 0, unprinted),
        (&show, 0, unprinted),
        (&["migrate"], 0, 0),
        (&["check", "--nonsense"], 2, 2),
        (&["users", "show", "a", "b"], 1, 1),
    ] {
        for (closed, code) in [(">&-", closed_stdout), ("2>&-", code), (">&- 2>&-", closed_stdout)]
        {
            let mut shell = Command::new("sh");
            shell.current_dir(&folder).env_clear();
            shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {closed}"));
            shell.arg(env!("CARGO_BIN_EXE_portico")).args(arguments);
            let output = shell.output().unwrap();
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{arguments:?} {closed}: {stderr}");
            assert!(!stderr.contains("panicked"), "{arguments:?} {closed}: {stderr}");
        }
        let mut command = portico(&folder, arguments, &[]);
        let status = command.stdout(Stdio::null()).stderr(closed_pipe()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn reports_error_of_standard_output() {
    let folder = folder();
    add_user(&folder, "ada");
    let show = ["users", "show", "https://id.example", "ada"];
    for arguments in [
        &["secret"][..],
        &["--help"],
        &["--version"],
        &["users", "show", "--help"],
        &["users", "list"],
        &show,
        &["check"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let settings = [("ROCKET_PROFILE", "debug"), ("ROCKET_LOG_LEVEL", "off")];
        let mut command = portico(&folder, arguments, &settings);
        let output = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = only_error(&output.wait_with_output().unwrap());
        assert!(stderr.starts_with("portico: No space left"), "{arguments:?}: {stderr}");
    }
}

#[cfg(unix)]
#[test]
fn serves_when_outputs_are_closed() {
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
