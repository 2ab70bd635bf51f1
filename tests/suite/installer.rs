//! The program that installs an app's packages, run by a real Python, with the real pip, against
//! indexes and buckets of its own: `tests/installer`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kaspr_core::app::{App, Pinned};
use kaspr_core::packages::{FAILURES, PROGRAM};
use kaspr_core::settings::Settings;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::json;

use crate::packages::{refused, with};

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

#[test]
fn the_words_for_failures_are_those_of_the_program() {
    let classes = PROGRAM.split_once("\nFAILURES = {").unwrap().1.split_once("\n}").unwrap().0;
    let keys =
        classes.lines().filter_map(|line| line.strip_prefix("    \"")?.split_once("\": r\""));
    let mut words: Vec<&str> = keys.map(|(word, _)| word).chain(["timeout", "unknown"]).collect();
    words.sort_unstable();
    assert_eq!(words, FAILURES);
}

/// Reads tasks, one in each line, as the program does, and says what it would refuse.
const JUDGE: &str = r#"
import os, sys
program = {"__name__": "judged"}
exec(compile(open(sys.argv[1]).read(), "install.py", "exec"), program)
for line in sys.stdin:
    try:
        program["requirements"](program["read"](line))
    except program["Failure"] as refused:
        print(refused.args[1])
"#;

/// Whatever a spec is made of: it is refused by the operator, or the program takes it.
#[test]
fn the_program_refuses_nothing_that_the_operator_took() {
    const CASES: usize = 4_000;
    let odd = "[ -~\u{e9}\u{200b}\u{a0}]{0,12}";
    let url = prop_oneof![odd, "https?://[ -~\u{e9}]{0,12}", "[a-z]{3,5}://[a-z]{1,4}/?"];
    let host = prop_oneof![odd, "[a-z.]{1,8}(:[0-9]{1,4})?"];
    let entry = prop_oneof![
        odd,
        "[a-z]{1,5}(==|>=)[0-9.]{1,5}(; ?python_version [<>]=? '[ -~]{1,4}')?",
        "(git\\+)?https://[ -~\u{200b}]{1,16}/[ -~\u{e9}]{1,8}",
    ];
    let numbers = (0..=i32::MAX, 60..=i32::MAX);
    let cache = (odd, odd, "[A-Za-z0-9._/ -]{0,8}", prop::bool::ANY);
    let spec = (entry, url.clone(), url, host, numbers, cache);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut tasks = Vec::new();
    for _ in 0..CASES {
        let (entry, index, extra, host, (retries, timeout), (name, prefix, key, is_gcs)) =
            spec.new_tree(&mut runner).unwrap().current();
        let gcs =
            json!({ "bucket": name, "prefix": prefix, "secretRef": { "name": "s", "key": key } });
        // Each part by itself, so that one that is bad hides no other.
        for part in [
            json!({ "packages": [entry] }),
            json!({ "packages": ["six"], "indexUrl": index }),
            json!({ "packages": ["six"], "extraIndexUrls": [extra], "trustedHosts": [host] }),
            json!({ "packages": ["six"], "cache": { "type": "gcs", "gcs": gcs } }),
            json!({ "packages": ["six"], "installPolicy": { "retries": retries, "timeout": timeout },
                "cache": { "enabled": is_gcs } }),
        ] {
            let object = with(part);
            if refused(&object).is_empty() {
                let told = App::parse(&object, &Settings::default(), Pinned(None)).result.unwrap();
                tasks.push(told.packages.unwrap().install("orders-app"));
            }
        }
    }
    assert!(tasks.len() > CASES / 2, "{} are no test", tasks.len());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/packages/install.py");
    let mut python = Command::new("python3");
    python.args(["-I", "-c", JUDGE]).arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().unwrap();
    let mut input = python.stdin.take().unwrap();
    let writing = std::thread::spawn(move || {
        for task in tasks {
            writeln!(input, "{task}").unwrap();
        }
    });
    let output = python.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
