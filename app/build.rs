//! Lists the page templates, so that the program can embed them.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

const EXTENSION: &str = ".html.j2";

fn main() -> io::Result<()> {
    // Two checkouts may share a target folder: no path of either is compiled in.
    let path = |variable: &str| env::var_os(variable).map(PathBuf::from).unwrap_or_default();
    let folder = path("CARGO_MANIFEST_DIR").join("../templates");
    println!("cargo::rerun-if-changed=../templates");
    let output = path("OUT_DIR");
    let mut list = fs::File::create(output.join("templates.rs"))?;
    writeln!(list, "&[")?;
    for subfolder in ["", "partials"] {
        let mut files: Vec<_> =
            fs::read_dir(folder.join(subfolder))?.collect::<io::Result<Vec<_>>>()?;
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            let name = file.file_name();
            let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(EXTENSION)) else {
                continue;
            };
            let name = Path::new(subfolder).join(stem).display().to_string();
            let source = fs::read_to_string(file.path())?;
            writeln!(list, "    ({name:?}, {source:?}),")?;
        }
    }
    writeln!(list, "]")
}
