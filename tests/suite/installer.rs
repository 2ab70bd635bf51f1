//! The program that installs an app's packages, run by a real Python, with the real pip, against
//! indexes and buckets of its own: `tests/installer`.

use std::path::Path;
use std::process::Command;

#[test]
fn packages_are_installed_by_the_program_that_pods_run() {
    for tool in ["python3 -m pip --version", "git --version", "openssl version"] {
        let words: Vec<&str> = tool.split(' ').collect();
        let asked = Command::new(words[0]).args(&words[1..]).output();
        let is_there = asked.is_ok_and(|output| output.status.success());
        assert!(
            is_there,
            "{tool} fails: the tests of the installer need Python 3 with pip, git and openssl"
        );
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("installer/test_install.py");
    let run = Command::new("python3").arg(&tests).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{} fails: run it by itself\n{said}", tests.display());
    assert!(said.contains("\nOK"), "it ran no test\n{said}");
}
