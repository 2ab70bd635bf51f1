//! Code that would stop the workers, or call nothing.

use serde_json::{Value, json};

use super::validation::check;
use super::{agent, code, join, refused, table, task, web_view, with};

const OPERATION: &str = "/spec/processors/operations/0";

/// Part 3: code blocks.
#[test]
fn a_code_block_holds_code() {
    let map = |field: &str| format!("spec.processors.operations[0].map.{field}");
    let at = |field: &str| format!("{OPERATION}/map/{field}");
    check(
        &agent("x"),
        &[
            (&at("python"), Value::Null, &map("python")),
            (&at("python"), json!(" \n\t"), &map("python")),
            (&at("entrypoint"), json!("not a name"), &map("entrypoint")),
        ],
    );
    let extractor = json!({ "python": "" });
    check(&join("x"), &[("/spec/extractor", extractor, "spec.extractor.python")]);
}

/// Part 3: no worker starts with code that does not compile.
#[test]
fn code_compiles_as_python_does() {
    let field = "spec.processors.operations[0].map.python";
    let at = format!("{OPERATION}/map/python");
    let bad = [
        "def f(v) return v",
        "def f(v):\nreturn v",
        "def f(v, v): return v",
        "return 1",
        "def f(v):\n  await v",
        "def f(v): pass\n\0",
    ];
    let changes: Vec<_> = bad.iter().map(|code| (at.as_str(), json!(code), field)).collect();
    for valid in [agent("x"), task("x"), web_view("x")] {
        let valid = with(valid, &format!("{OPERATION}/map"), code());
        check(&valid, &changes);
        let init =
            ("/spec/processors/init", json!({ "python": "if" }), "spec.processors.init.python");
        check(&valid, &[init]);
    }
    let empty = with(agent("x"), &format!("{OPERATION}/map"), json!({ "python": "# f" }));
    assert_eq!(refused(&[empty]), [field], "there is nothing to call");
    let selector = json!({ "python": "lambda" });
    let pointer = "/spec/defaultSelector";
    check(&table("t"), &[(pointer, selector, "spec.defaultSelector.python")]);
}

/// Part 3: what is called is there, in the code or in the `init` block before it.
#[test]
fn the_function_that_is_called_is_there() {
    let (map, init) = (format!("{OPERATION}/map"), "/spec/processors/init");
    let calls = |name: &str| json!({ "python": "def f(v): return v", "entrypoint": name });
    let field = "spec.processors.operations[0].map.entrypoint";
    let valid = with(agent("x"), &map, calls("f"));
    check(&valid, &[(&map, calls("g"), field)]);
    let defined = |python: &str| json!({ "python": python });
    for python in ["def g(v): return v", "from x import g", "g = f", "from x import *", "exec('')"]
    {
        let valid = with(with(agent("x"), &map, calls("g")), init, defined(python));
        assert_eq!(refused(&[valid]), [""; 0], "{python}");
    }
    let other = with(with(agent("x"), &map, calls("g")), init, defined("def h(): pass"));
    assert_eq!(refused(&[other]), [field]);
    let topic = json!({ "name": "a", "topicSend": { "nameSelector": calls("g") } });
    let selector = with(with(agent("x"), OPERATION, topic), init, defined("def g(v): pass"));
    let field = "spec.processors.operations[0].topicSend.nameSelector.entrypoint";
    assert_eq!(refused(&[selector]), [field], "a selector does not see what init defines");
}

/// Part 3: a table is passed by name.
#[test]
fn the_function_takes_the_tables() {
    let reading = |python: &str| {
        let tables = json!([{ "name": "t", "paramName": "seen" }]);
        let code = json!({ "python": python, "entrypoint": "f" });
        with(agent("x"), OPERATION, json!({ "name": "a", "map": code, "tables": tables }))
    };
    for python in [
        "def f(v, seen): return v",
        "def f(v, *, seen=None): return v",
        "def f(v, **tables): return v",
        "import other\n@other.wraps\ndef f(v): return v",
        "f = int",
    ] {
        assert_eq!(refused(&[reading(python), table("t")]), [""; 0], "{python}");
    }
    let field = "spec.processors.operations[0].map.entrypoint";
    for python in ["def f(v): return v", "def f(v, seen, /): return v"] {
        assert_eq!(refused(&[reading(python), table("t")]), [field], "{python}");
    }
}
