//! Manifests that would stop the workers, and valid ones that were refused.

use kaspr_core::check::check_change;
use kaspr_core::{Settings, schema};
use kaspr_crds::Kind;
use serde_json::{Value, json};

use super::{agent, app, code, component, join, refused, table, task, warned, web_view, with};

const OPERATION: &str = "/spec/processors/operations/0";

/// Each change of a valid object is refused at the field that it makes wrong.
pub(super) fn check(valid: &Value, changes: &[(&str, Value, &str)]) {
    assert_eq!(refused(std::slice::from_ref(valid)), [""; 0], "{valid}");
    for (pointer, value, field) in changes {
        let object = with(valid.clone(), pointer, value.clone());
        let found = refused(std::slice::from_ref(&object));
        assert!(found.iter().any(|found| found == field), "{pointer} = {value}: {found:?}");
    }
}

/// Each change of a valid object is as valid.
fn check_valid(valid: &Value, changes: &[(&str, Value)]) {
    for (pointer, value) in changes {
        let object = with(valid.clone(), pointer, value.clone());
        assert_eq!(refused(&[object]), [""; 0], "{pointer} = {value}");
    }
}

/// Part 3: processors, operations, pipelines.
#[test]
fn operations_and_pipeline_fit_each_other() {
    let operation = "spec.processors.operations[0]";
    let twice = json!([{ "name": "a", "map": code() }, { "name": "a", "map": code() }]);
    for valid in [agent("x"), task("x"), web_view("x")] {
        check(
            &valid,
            &[
                ("/spec/processors/operations", json!([]), "spec.processors.operations"),
                ("/spec/processors/operations", Value::Null, "spec.processors.operations"),
                ("/spec/processors/pipeline", json!([]), "spec.processors.pipeline"),
                ("/spec/processors/pipeline", json!(["b"]), "spec.processors.pipeline[0]"),
                (
                    "/spec/processors/operations",
                    twice.clone(),
                    "spec.processors.operations[1].name",
                ),
                (OPERATION, json!({ "name": "a" }), operation),
                (OPERATION, json!({ "name": "a", "map": code(), "filter": code() }), operation),
            ],
        );
    }
    check(&agent("x"), &[("/spec/processors", Value::Null, "spec.processors")]);
}

/// Part 3: tables as parameters.
#[test]
fn tables_come_by_parameters_of_their_own() {
    let tables = |names: &[&str]| {
        let tables: Vec<Value> = names
            .iter()
            .enumerate()
            .map(|(at, name)| json!({ "name": format!("t{at}"), "paramName": name }))
            .collect();
        let code = json!({ "python": "def f(v, **tables): return v" });
        json!({ "name": "a", "map": code, "tables": tables })
    };
    let field = "spec.processors.operations[0].tables[0].paramName";
    check(
        &with(agent("x"), OPERATION, tables(&["one", "two"])),
        &[
            (OPERATION, tables(&["lambda"]), field),
            (OPERATION, tables(&["a-b"]), field),
            (OPERATION, tables(&["ok\n"]), field),
            (OPERATION, tables(&[""]), field),
            (OPERATION, tables(&["a", "a"]), "spec.processors.operations[0].tables[1].paramName"),
        ],
    );
}

/// Part 3: tables of the same app.
#[test]
fn a_table_belongs_to_the_app_that_uses_it() {
    let code = json!({ "python": "def f(v, t): return v" });
    let reading = json!({ "name": "a", "map": code,
        "tables": [{ "name": "t", "paramName": "t" }] });
    let user = with(agent("x"), OPERATION, reading);
    assert_eq!(refused(&[user.clone(), table("t")]), [""; 0]);
    let elsewhere = with(table("t"), "/metadata/labels/kaspr.io~1app", json!("other"));
    let field = "spec.processors.operations[0].tables[0].name";
    assert_eq!(refused(&[user, elsewhere]), [field]);
    let elsewhere = with(table("left"), "/metadata/labels/kaspr.io~1app", json!("other"));
    assert_eq!(refused(&[join("j"), elsewhere, table("right")]), ["spec.leftTable"]);
}

/// Part 3: one of two.
#[test]
fn of_two_ways_to_say_it_there_is_exactly_one() {
    let (input, output) = ("spec.input.topic", "spec.processors.operations[0].topicSend");
    let sent = |topic: Value| json!({ "name": "a", "topicSend": topic });
    check(
        &agent("x"),
        &[
            ("/spec/input/topic", json!({ "name": "a", "pattern": "b" }), input),
            ("/spec/input/topic", json!({}), input),
            ("/spec/input/channel", json!({ "name": "c" }), "spec.input"),
            ("/spec/input", json!({}), "spec.input"),
            (OPERATION, sent(json!({})), output),
            (OPERATION, sent(json!({ "name": "t", "nameSelector": code() })), output),
        ],
    );
    check_valid(
        &agent("x"),
        &[
            ("/spec/input/topic", json!({ "pattern": "orders-.*" })),
            ("/spec/input", json!({ "channel": { "name": "c" } })),
            (OPERATION, sent(json!({ "nameSelector": code() }))),
        ],
    );
}

/// Part 3: batches.
#[test]
fn a_batch_has_a_size_and_a_length_of_time() {
    let take = |max: i64, within: &str| json!({ "max": max, "within": within });
    check(
        &with(agent("x"), "/spec/input/take", take(1, "10s")),
        &[
            ("/spec/input/take", take(0, "10s"), "spec.input.take.max"),
            ("/spec/input/take", take(1, "10s\n"), "spec.input.take.within"),
            ("/spec/input/take", take(1, "x10s"), "spec.input.take.within"),
            ("/spec/input/take", take(1, "10"), "spec.input.take.within"),
        ],
    );
}

/// Part 3: schedules.
#[test]
fn a_task_has_one_schedule_that_can_be_read() {
    let (at, field) = ("/spec/schedule", "spec.schedule");
    let valid = with(task("x"), at, json!({ "cron": "*/5 * * * *" }));
    check(
        &valid,
        &[
            (at, json!({}), field),
            (at, json!({ "cron": "* * * * *", "interval": "5s" }), field),
            (at, json!({ "cron": "* * * *" }), "spec.schedule.cron"),
            (at, json!({ "cron": "61 * * * *" }), "spec.schedule.cron"),
            (at, json!({ "interval": "soon" }), "spec.schedule.interval"),
            (at, json!({ "interval": "0s" }), "spec.schedule.interval"),
            (at, json!({ "interval": "5s\n" }), "spec.schedule.interval"),
            (at, json!({ "cron": "* * * * *", "timezone": "no zone" }), "spec.schedule.timezone"),
        ],
    );
    check_valid(&valid, &[(at, json!({ "interval": "1d" })), (at, Value::Null)]);
}

/// Part 3: web views.
#[test]
fn a_web_view_answers_one_route_in_one_way() {
    let response = |value: Value| ("/spec/response", value);
    let selector = json!({ "onSuccess": code() });
    let both = |field: &str, value: Value| {
        response(json!({ field: value, format!("{field}Selector"): selector }))
    };
    let (headers, status) = (both("headers", json!({ "a": "b" })), both("statusCode", json!(201)));
    check(
        &web_view("x"),
        &[
            ("/spec/request/path", json!("x"), "spec.request.path"),
            ("/spec/request/path", json!("/a b"), "spec.request.path"),
            ("/spec/request/path", json!("/{a"), "spec.request.path"),
            (headers.0, headers.1, "spec.response.headers"),
            (status.0, status.1, "spec.response.statusCode"),
            ("/spec/response", json!({ "statusCode": 42 }), "spec.response.statusCode"),
            ("/spec/response", json!({ "statusCode": 600 }), "spec.response.statusCode"),
            (OPERATION, json!({ "map": code() }), "spec.processors.operations[0].name"),
        ],
    );
    let twin = with(web_view("twin"), "/spec/request/path", json!("/x"));
    assert_eq!(refused(&[web_view("x"), twin.clone()]), ["spec"]);
    let post = with(twin.clone(), "/spec/request/method", json!("POST"));
    assert_eq!(refused(&[web_view("x"), post]), [""; 0]);
    let other = with(twin, "/metadata/labels/kaspr.io~1app", json!("other"));
    assert_eq!(refused(&[web_view("x"), other]), [""; 0]);
}

/// Part 3: tables.
#[test]
fn a_table_has_one_window_that_can_be_read() {
    let (at, size) = ("/spec/window", "spec.window.tumbling.size");
    let hopping = json!({ "size": 2, "step": 1 });
    check(
        &table("x"),
        &[
            (at, json!({ "tumbling": { "size": 1 }, "hopping": hopping }), "spec.window"),
            (at, json!({ "relativeTo": "custom" }), "spec.window.relativeToSelector"),
            (at, json!({ "tumbling": { "size": "soon" } }), size),
            (at, json!({ "tumbling": { "size": 0 } }), size),
            ("/spec/partitions", json!(0), "spec.partitions"),
        ],
    );
}

/// Part 3: joins.
#[test]
fn a_join_has_two_tables_one_type_and_a_channel_of_its_own() {
    check(
        &join("x"),
        &[
            ("/spec/type", json!("outer"), "spec.type"),
            ("/spec/rightTable", json!("left"), "spec.rightTable"),
            ("/spec/rightTable", json!(""), "spec.rightTable"),
        ],
    );
    let twin = with(join("twin"), "/spec/outputChannel", json!("x-channel"));
    assert_eq!(refused(&[join("x"), twin]), ["spec"], "the channel of the other's default name");
}

/// D-26, and part 3: quantities, servers, replicas.
#[test]
fn an_app_that_cannot_run_is_refused() {
    let secret = json!({ "secretName": "s", "passwordKey": "p" });
    let login = |more: Value| {
        let mut login = json!({ "type": "scram-sha-256" });
        login.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        login
    };
    let (at, user, name, key) = (
        "/spec/authentication",
        "spec.authentication.username",
        "spec.authentication.passwordSecret.secretName",
        "spec.authentication.passwordSecret.passwordKey",
    );
    let size = |size: &str| json!({ "type": "persistent-claim", "size": size });
    check(
        &app(json!({ "storage": size("1Gi") })),
        &[
            (at, login(json!({ "passwordSecret": secret })), user),
            (at, login(json!({ "username": "u" })), name),
            (at, login(json!({ "username": "u", "passwordSecret": { "secretName": "s" } })), key),
            (at, json!({ "type": "plain", "username": "u" }), name),
            ("/spec/storage", size("1GiB"), "spec.storage.size"),
            ("/spec/storage", size("0"), "spec.storage.size"),
            ("/spec/storage", json!({ "type": "persistent-claim" }), "spec.storage.size"),
            ("/spec/bootstrapServers", json!("a,,b"), "spec.bootstrapServers"),
            ("/spec/bootstrapServers", json!("a:http"), "spec.bootstrapServers"),
            ("/spec/replicas", json!(-1), "spec.replicas"),
            ("/spec/replicas", json!(3_000_000_000_u32), "spec.replicas"),
            (
                "/spec/resources",
                json!({ "limits": { "cpu": "much" } }),
                "spec.resources.limits.cpu",
            ),
        ],
    );
}

/// Part 3: names of objects and volumes.
#[test]
fn a_name_that_no_object_can_have_is_refused() {
    let name = "/metadata/name";
    let long = |kind: Kind| json!("a".repeat(kind.name_max() + 1));
    let longest = |kind: Kind| json!("a".repeat(kind.name_max()));
    for (kind, object) in [
        (Kind::App, app(json!({}))),
        (Kind::Agent, agent("x")),
        (Kind::Table, table("x")),
        (Kind::WebView, web_view("x")),
        (Kind::Task, task("x")),
        (Kind::Join, join("x")),
    ] {
        let bad = [long(kind), json!("a.b"), json!("A"), json!("-a"), json!("a-"), json!("")];
        for value in bad {
            check(&object, &[(name, value, "metadata.name")]);
        }
        check_valid(&object, &[(name, longest(kind))]);
        // The longest suffixes still make DNS labels.
        let suffix = if kind == Kind::App { "app-api" } else { kind.suffix() };
        assert!(kind.name_max() + 1 + suffix.len() <= 63, "{kind}");
    }
    check(&app(json!({})), &[(name, json!("1a"), "metadata.name")]);
}

/// D-46
#[test]
fn a_definition_that_fits_no_config_map_is_refused() {
    let operations = |count: usize| -> Vec<Value> {
        let padding = "x".repeat(260_000);
        let code = json!({ "python": format!("def f(v): return v  # {padding}") });
        let operation = |at: usize| json!({ "name": format!("o{at}"), "map": code });
        (0..count).map(operation).collect()
    };
    let sized = |count: usize| {
        let processors = json!({ "pipeline": ["o0"], "operations": operations(count) });
        refused(&[with(agent("big"), "/spec/processors", processors)])
    };
    assert_eq!(sized(3), [""; 0]);
    assert_eq!(sized(5), ["spec"]);
}

/// Part 3: unknown fields.
#[test]
fn an_unknown_field_is_told() {
    let object = with(agent("x"), "/spec/inptu", json!({}));
    let object = with(object, &format!("{OPERATION}/mpa"), json!(1));
    assert_eq!(warned(&[object]), ["spec.inptu", "spec.processors.operations[0].mpa"]);
    assert_eq!(warned(&[app(json!({ "replica": 1 }))]), ["spec.replica"]);
}

/// D-06
#[test]
fn the_api_server_keeps_the_maps_of_users() {
    let map = json!({ "retention.ms": 604_800_000, "a": "b", "c": true, "d": 0.5 });
    let topic = json!({ "name": "t", "config": map });
    for (kind, object, place) in [
        (Kind::Agent, with(agent("a"), "/spec/input/topic", topic.clone()), "/input/topic/config"),
        (
            Kind::Agent,
            with(agent("a"), "/spec/output", json!({ "topics": [topic] })),
            "/output/topics/0/config",
        ),
        (
            Kind::Task,
            with(task("a"), OPERATION, json!({ "name": "a", "topicSend": topic })),
            "/processors/operations/0/topicSend/config",
        ),
        (
            Kind::WebView,
            with(web_view("a"), "/spec/response", json!({ "headers": map })),
            "/response/headers",
        ),
        (Kind::Table, with(table("a"), "/spec/options", map.clone()), "/options"),
        (
            Kind::Table,
            with(table("a"), "/spec/extraTopicConfigs", map.clone()),
            "/extraTopicConfigs",
        ),
    ] {
        let verdict = schema::validate(kaspr_crds::spec_schema(kind), &object["spec"], "spec");
        assert_eq!((verdict.problems, verdict.unknown), (vec![], vec![]), "{place}");
        assert_eq!(verdict.spec.pointer(place), Some(&map), "{place}");
    }
}

/// D-25
#[test]
fn a_volume_has_one_source_that_is_whole() {
    let volumes = |volume: Value| json!({ "pod": { "volumes": [volume] } });
    let at = "spec.template.pod.volumes[0]";
    check(
        &app(json!({ "template": volumes(json!({ "name": "v", "emptyDir": {} })) })),
        &[
            ("/spec/template", volumes(json!({ "name": "v" })), at),
            ("/spec/template", volumes(json!({ "name": "v", "csi": {}, "nfs": {} })), at),
            (
                "/spec/template",
                volumes(json!({ "name": "v", "emptyDir": { "sizeLimit": "much" } })),
                "spec.template.pod.volumes[0].emptyDir.sizeLimit",
            ),
            (
                "/spec/template",
                volumes(json!({ "name": "v", "persistentVolumeClaim": {} })),
                "spec.template.pod.volumes[0].persistentVolumeClaim.claimName",
            ),
        ],
    );
}

/// D-58
#[test]
fn a_name_that_a_generated_volume_has_is_refused() {
    let volumes = |name: &str| json!({ "pod": { "volumes": [{ "name": name, "emptyDir": {} }] } });
    let field = "spec.template.pod.volumes[0].name";
    let own = app(json!({ "template": volumes("orders-app-pv") }));
    assert_eq!(refused(&[own]), [field]);
    let taken = app(json!({ "template": volumes("count-agent") }));
    assert_eq!(refused(&[taken, agent("count")]), [field]);
    let mount = json!({ "name": "v", "mountPath": "/var/lib/data/tables" });
    let mounted = app(json!({ "template": { "kasprContainer": { "volumeMounts": [mount] },
        "pod": { "volumes": [{ "name": "v", "emptyDir": {} }] } } }));
    let field = "spec.template.kasprContainer.volumeMounts[0].mountPath";
    assert_eq!(refused(&[mounted]), [field]);
}

/// D-33, D-65
#[test]
fn a_setting_that_the_worker_could_not_read_is_refused() {
    let at = "/spec/config";
    check(
        &app(json!({ "config": { "topicAllowDeclare": "yes", "webPort": "7000" } })),
        &[
            (at, json!({ "topicAllowDeclare": "perhaps" }), "spec.config.topicAllowDeclare"),
            (at, json!({ "topicPartitions": "many" }), "spec.config.topicPartitions"),
            (at, json!({ "topicPartitions": true }), "spec.config.topicPartitions"),
            (at, json!({ "webPort": 70_000 }), "spec.config.webPort"),
            (at, json!({ "a=b": 1 }), "spec.config.a=b"),
            (at, json!({ "topicPartitions": 0 }), "spec.config.topicPartitions"),
        ],
    );
}

/// D-33, D-54
#[test]
fn what_takes_no_effect_is_told() {
    let camel = app(json!({ "config": { "brokerCommitEvery": 5000, "topicPartitions": 4 } }));
    assert_eq!(warned(&[camel]), ["spec.config.brokerCommitEvery"]);
    let snake = app(json!({ "config": { "broker_commit_every": 5000 } }));
    assert_eq!(warned(&[snake]), [""; 0]);
    let version = app(json!({ "image": "reg.internal/kaspr:2", "version": "nonsense" }));
    assert_eq!(warned(&[version]), ["spec.version"]);
}

/// D-34, D10, D11, and part 3: immutability.
#[test]
fn what_cannot_change_is_refused_as_a_change() {
    let changed = |old: &Value, new: &Value| -> Vec<String> {
        let (old, new) = (std::slice::from_ref(old), std::slice::from_ref(new));
        let found = check_change(old, new, &Settings::default());
        found.into_iter().map(|finding| finding.problem.field).collect()
    };
    let storage = |kind: &str, class: &str, size: &str| {
        app(json!({ "storage": { "type": kind, "class": class, "size": size } }))
    };
    let (claim, partitions) =
        ("persistent-claim", |count: i64| app(json!({ "config": { "topicPartitions": count } })));
    let table =
        |count: i64| component(Kind::Table, "t", json!({ "name": "t", "partitions": count }));
    let old = storage(claim, "fast", "2Gi");
    for (old, new, fields) in [
        (&old, storage("ephemeral", "fast", "2Gi"), vec!["spec.storage.type"]),
        (&old, storage(claim, "slow", "2Gi"), vec!["spec.storage.class"]),
        (&old, storage(claim, "fast", "1Gi"), vec!["spec.storage.size"]),
        (&old, storage(claim, "fast", "3Gi"), vec![]),
        (&partitions(4), partitions(5), vec!["spec.config.topicPartitions"]),
        (&partitions(4), partitions(4), vec![]),
        (&table(4), table(5), vec!["spec.partitions"]),
    ] {
        assert_eq!(changed(old, &new), fields, "{new}");
    }
}

/// D-64
#[test]
fn amounts_are_compared_in_every_unit() {
    let storage =
        |size: &str| app(json!({ "storage": { "type": "persistent-claim", "size": size } }));
    for (old, new, shrinks) in [
        ("1k", "999", true),
        ("1E", "1000P", false),
        ("1Ei", "1E", true),
        ("1Gi", "1024Mi", false),
        ("1Gi", "1G", true),
        ("1500m", "1", true),
        ("0.5Gi", "512Mi", false),
    ] {
        let found = check_change(&[storage(old)], &[storage(new)], &Settings::default());
        assert_eq!(!found.is_empty(), shrinks, "{old} -> {new}: {found:?}");
    }
}

/// D-55
#[test]
fn a_version_names_one_image_or_is_refused_with_one_that_does() {
    check(
        &app(json!({ "version": "0.11.19" })),
        &[("/spec/version", json!("0.1.1"), "spec.version")],
    );
    let image = |version: &str| {
        kaspr_core::app::image::resolve(None, Some(version), "0.11.19", "").unwrap()
    };
    assert_eq!(image("0.7.5"), "kasprio/kaspr:0.7.6-alpha");
    assert_eq!(image("0.11.18"), "kasprio/kaspr:0.11.18");
}
