//! The files that workers load.

use kaspr_crds::Kind;
use serde_json::{Value, json};

use super::{agent, component, processors, read_back, table, task, web_view, with};

/// Python that a careless writer of YAML bends: folded, trimmed, retyped or refused.
fn code() -> Vec<String> {
    let mut texts: Vec<String> = [
        "def f(v):\n\treturn v\n",
        "x = 1   \n\n\ny = 2  ",
        "\n\nx = 1",
        "x = 1\r\ny = 2\r\n",
        "x = 1\ry = 2",
        "x = 'a: b'  # c",
        "# only a comment",
        "{a: b}",
        "\"a\" 'b' '\\n \\x41'",
        "x = \"\u{85}\u{a0}\u{2028}\u{2029}\u{feff}\"",
        "x = '\u{1f600}\u{10fffd}\u{e000}\u{fffd}'",
        "x = '\u{7f}\u{80}\u{9f}\u{1}\u{1b}\u{8}'",
        "x = 'é ü ß 漢字 \u{301}'",
        "x",
        "é",
        "- a",
    ]
    .map(str::to_owned)
    .into();
    texts.push(format!("x = '{}'", "long words ".repeat(2_000)));
    texts.push("y".repeat(20_000));
    texts.push(format!("{}\n", " ".repeat(300)) + "x = 1");
    texts
}

/// Texts that are no Python, and look like YAML.
const PROSE: [&str; 11] = [
    "\tx = 1",
    "  x = 1",
    "a:",
    "? a",
    "[a, b",
    "&a *b !c |d >e %f @g `h",
    "--- a\n...\n--- b",
    "x = 1   \n\n\n   y = 2  ",
    "x = '\0'",
    ".",
    "\u{feff}a",
];

/// D-21
#[test]
fn code_arrives_in_the_worker_byte_for_byte() {
    for text in code() {
        let init = json!({ "python": text, "entrypoint": null });
        let item = read_back(&with(task("a"), "/spec/processors/init", init));
        assert_eq!(item["processors"]["init"]["python"], text, "{text:?}");
        let text = format!("def f(v): return v\n{text}");
        let code = json!({ "python": text, "entrypoint": "f" });
        let item = read_back(&with(agent("a"), "/spec/processors/operations/0/map", code.clone()));
        assert_eq!(item["processors"]["operations"][0]["map"], code, "{text:?}");
    }
    for text in PROSE {
        let item = read_back(&with(table("a"), "/spec/description", json!(text)));
        assert_eq!(item["description"], text, "{text:?}");
    }
}

/// D-21
#[test]
fn words_that_yaml_takes_for_something_else_stay_words() {
    for word in [
        "",
        " ",
        "no",
        "On",
        "y",
        "null",
        "NULL",
        "~",
        "true",
        "1",
        "1_000",
        "0x1f",
        "0o7",
        "1e3",
        "1.5",
        ".inf",
        ".nan",
        "=",
        "<<",
        "2031-05-02",
        "10:07",
        "-",
        "- a",
        "a ",
        " a",
        "a\n",
    ] {
        let table = with(table("a"), "/spec/description", json!(word));
        assert_eq!(read_back(&table)["description"], word, "{word:?}");
    }
}

/// D-21
#[test]
fn the_keys_of_a_users_map_stay_as_they_were_written() {
    let headers = json!({ "Content-Type": "a", "X-Request-ID": "b", "x_snake": "c", "camelCase": "d",
        "yes": "e", "1": "f" });
    let response = json!({ "headers": headers });
    assert_eq!(
        read_back(&with(web_view("a"), "/spec/response", response))["response"]["headers"],
        headers
    );
    let odd = json!({ "a: b": "1", "#c": "2", "Retention.MS": "3", "": "4", " d ": "5", "é": "6" });
    for field in ["options", "extraTopicConfigs"] {
        let item = read_back(&with(table("a"), &format!("/spec/{field}"), odd.clone()));
        let snake = if field == "options" { "options" } else { "extra_topic_configs" };
        assert_eq!(item[snake], odd);
    }
}

/// D-06
#[test]
fn settings_of_topics_and_tables_reach_the_worker_as_text() {
    let given = json!({ "retention.ms": 604_800_000, "cleanup.policy": "compact,delete",
        "unclean.leader.election.enable": false, "min.cleanable.dirty.ratio": 0.5 });
    let wanted = json!({ "retention.ms": "604800000", "cleanup.policy": "compact,delete",
        "unclean.leader.election.enable": "false", "min.cleanable.dirty.ratio": "0.5" });
    let topic = json!({ "name": "t", "config": given });
    let send = json!({ "name": "a", "topicSend": topic });
    for (object, place) in [
        (with(agent("a"), "/spec/input/topic", topic.clone()), "/input/topic/config"),
        (with(agent("a"), "/spec/output", json!({ "topics": [topic] })), "/output/topics/0/config"),
        (
            with(agent("a"), "/spec/processors/operations/0", send),
            "/processors/operations/0/topic_send/config",
        ),
        (with(table("a"), "/spec/extraTopicConfigs", given.clone()), "/extra_topic_configs"),
        (with(table("a"), "/spec/options", given.clone()), "/options"),
        (with(web_view("a"), "/spec/response", json!({ "headers": given })), "/response/headers"),
    ] {
        assert_eq!(read_back(&object).pointer(place), Some(&wanted), "{place}");
    }
}

/// D-18
#[test]
fn the_window_of_a_table_takes_every_spelling_of_a_length() {
    for (size, seconds) in [
        (json!(30), 30),
        (json!("30"), 30),
        (json!("30s"), 30),
        (json!("5m"), 300),
        (json!("1h"), 3_600),
        (json!("2d"), 172_800),
    ] {
        let tumbling = json!({ "tumbling": { "size": size } });
        let item = read_back(&with(table("a"), "/spec/window", tumbling));
        assert_eq!(item["window"]["tumbling"]["size"], seconds);
        let hopping = json!({ "hopping": { "size": "1h", "step": size } });
        let item = read_back(&with(table("a"), "/spec/window", hopping));
        assert_eq!(item["window"]["hopping"]["step"], seconds);
    }
}

/// D-19
#[test]
fn the_time_of_a_custom_window_reaches_the_worker_by_the_name_that_it_reads() {
    let selector = json!({ "python": "def when(v): return v.at", "entrypoint": "when" });
    for spelling in ["relativeToSelector", "relativeToFieldSelector"] {
        let window =
            json!({ "tumbling": { "size": 5 }, "relativeTo": "custom", spelling: selector });
        let item = read_back(&with(table("a"), "/spec/window", window));
        assert_eq!(item["window"]["relative_to_selector"], selector, "{spelling}");
        assert_eq!(item["window"]["relative_to"], "custom");
    }
}

/// D-20
#[test]
fn every_option_of_a_topic_works_in_agents_tasks_and_web_views() {
    let topic = json!({ "name": "t", "declare": true, "passThrough": true, "ack": true,
        "partitions": 3, "retention": 60, "compacting": true, "deleting": false, "replicas": 2,
        "keySerializer": "raw", "valueSerializer": "json", "config": { "a": "b" } });
    let options = [
        ("declare", json!(true)),
        ("pass_through", json!(true)),
        ("ack", json!(true)),
        ("partitions", json!(3)),
        ("retention", json!(60)),
        ("compacting", json!(true)),
        ("deleting", json!(false)),
        ("replicas", json!(2)),
        ("key_serializer", json!("raw")),
        ("value_serializer", json!("json")),
        ("config", json!({ "a": "b" })),
    ];
    let send = json!({ "name": "a", "topicSend": topic });
    let operation = "/spec/processors/operations/0";
    let place = "/processors/operations/0/topic_send";
    for (object, place) in [
        (with(agent("a"), operation, send.clone()), place),
        (with(task("a"), operation, send.clone()), place),
        (with(web_view("a"), operation, send.clone()), place),
        (with(agent("a"), "/spec/output", json!({ "topics": [topic] })), "/output/topics/0"),
    ] {
        assert!(super::warned(std::slice::from_ref(&object)).is_empty(), "{object}");
        let item = read_back(&object);
        for (field, value) in &options {
            assert_eq!(item.pointer(place).unwrap()[field], *value, "{field} of {object}");
        }
    }
}

/// D-27
#[test]
fn a_component_is_known_by_the_name_of_its_resource() {
    for object in [table("real"), web_view("real"), task("real")] {
        let object = with(object, "/spec/name", json!("other"));
        assert_eq!(read_back(&object)["name"], "real");
        assert_eq!(super::warned(&[object]), ["spec.name"]);
    }
}

/// Part 7 of the defects of rendering: features of the runtime that were not exposed.
#[test]
fn a_task_may_name_its_time_zone() {
    let schedule = json!({ "cron": "0 6 * * *", "timezone": "Europe/Berlin" });
    let item = read_back(&with(task("a"), "/spec/schedule", schedule));
    assert_eq!(item["schedule"]["timezone"], "Europe/Berlin");
    let schedule = json!({ "cron": "0 6 * * *" });
    let item = read_back(&with(task("a"), "/spec/schedule", schedule));
    assert_eq!(item["schedule"].get("timezone"), None);
}

/// Fixed by the predecessor in 0.11.0.
#[test]
fn the_topics_of_an_agent_stand_below_name() {
    let item = read_back(&with(agent("a"), "/spec/input/topic", json!({ "name": "x,y" })));
    assert_eq!(item["input"]["topic"]["name"], "x,y");
    assert_eq!(item["input"]["topic"]["names"], Value::Null);
}

/// Fixed by the predecessor in 0.18.24.
#[test]
fn a_task_is_read_as_a_task() {
    let spec = json!({ "name": "a", "onLeader": true, "schedule": { "interval": "10s" },
        "processors": processors() });
    let item = read_back(&component(Kind::Task, "a", spec));
    assert_eq!(item["on_leader"], true);
    assert_eq!(item["schedule"], json!({ "cron": null, "interval": "10s" }));
}
