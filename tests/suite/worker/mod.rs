//! What a worker makes of the files that are mounted: loads them, or ends.
//!
//! Source: the contract of Kaspr 0.11.18 (reference `worker.md`, 4): read in its source and seen on a
//! running worker. Files are read in any order within their extension, so every order is tried that
//! matters: as listed, and the other way round.

mod schema;

use std::collections::BTreeSet;

use kaspr_core::ObjectKind;
use kaspr_fixtures::World;
use serde_json::Value;

use crate::defects::template;

/// A file below the definitions directory: its name and its text.
pub(crate) type File = (String, String);

/// The files that the members of a world have at their definitions directory.
pub(crate) fn files(world: &World) -> Vec<File> {
    let template = template(world);
    let maps = template["spec"]["volumes"].as_array().into_iter().flatten();
    let mounts = template["spec"]["containers"][0]["volumeMounts"].as_array().unwrap();
    let mut files = Vec::new();
    for volume in maps.filter(|volume| volume["configMap"].is_object()) {
        let map = volume["configMap"]["name"].as_str().unwrap();
        let of = kaspr_core::ObjectRef::new(ObjectKind::ConfigMap, &world.key.namespace, map);
        // A ConfigMap of the user's own is none of the operator's files.
        let Some(data) = world.objects.get(&of).and_then(|map| map["data"].as_object()) else {
            continue;
        };
        for mount in mounts.iter().filter(|mount| mount["name"] == volume["name"]) {
            // A directory of a whole ConfigMap would be read twice.
            let file = mount["subPath"].as_str().expect("files are mounted one by one");
            files.push((file.to_owned(), data[file].as_str().unwrap().to_owned()));
        }
    }
    files
}

/// Starts a worker with these files.
///
/// # Errors
/// Why it ends, or what does not work while it looks healthy.
pub(crate) fn start(files: &[File]) -> Result<(), String> {
    let mut turned = files.to_vec();
    turned.reverse();
    for mut files in [files.to_vec(), turned] {
        // Every `.yml` comes before any `.yaml`; else the order is the file system's.
        files.sort_by_key(|(name, _)| !name.ends_with(".yml"));
        let mut worker = Worker::default();
        for (name, text) in &files {
            worker.load(text).map_err(|problem| format!("{name}: {problem}\n{text}"))?;
        }
        worker.finish()?;
    }
    Ok(())
}

#[derive(Default)]
struct Worker {
    tables: BTreeSet<String>,
    channels: BTreeSet<String>,
    names: BTreeSet<(&'static str, String)>,
    routes: BTreeSet<(String, String)>,
    /// Tables that code asks for, which must be there in the end.
    wanted: BTreeSet<String>,
}

/// What stands below the root, in the order in which it is built for each file.
const ORDER: [&str; 5] = ["tables", "joins", "tasks", "agents", "webviews"];

impl Worker {
    fn load(&mut self, text: &str) -> Result<(), String> {
        let file: Value =
            serde_saphyr::from_str(text).map_err(|error| format!("no YAML: {error}"))?;
        let root = file.as_object().ok_or("the root is no map")?;
        if let Some(other) = root.keys().find(|key| !ORDER.contains(&key.as_str())) {
            return Err(format!("{other} is ignored"));
        }
        for kind in ORDER {
            let Some(items) = root.get(kind) else { continue };
            let items = items.as_array().ok_or(format!("{kind} is no list"))?;
            for item in items {
                schema::check(kind, item)?;
                self.build(kind, item)?;
            }
        }
        Ok(())
    }

    fn build(&mut self, kind: &'static str, item: &Value) -> Result<(), String> {
        let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let name = text("name");
        if !self.names.insert((kind, name.clone())) {
            return Err(format!("{kind}: {name} already exists"));
        }
        match kind {
            "tables" => drop(self.tables.insert(name)),
            "joins" => {
                for side in ["left_table", "right_table"] {
                    if !self.tables.contains(&text(side)) {
                        return Err(format!("the join {name} needs {}, not built yet", text(side)));
                    }
                }
                let channel = item["output_channel"].as_str().map(str::to_owned);
                self.channels.insert(channel.unwrap_or(format!("{name}-channel")));
            }
            "agents" => {
                if let Some(channel) = item["input"]["channel"]["name"].as_str()
                    && !self.channels.contains(channel)
                {
                    return Err(format!("the agent {name} reads the dead channel {channel}"));
                }
            }
            "webviews" => {
                let request = &item["request"];
                let route = (request["path"].to_string(), request["method"].to_string());
                if !self.routes.insert(route.clone()) {
                    return Err(format!("the route {route:?} is there twice"));
                }
            }
            _ => {}
        }
        self.operations(item)
    }

    /// Operations and pipeline: what does not fit shows when an event comes, for ever.
    fn operations(&mut self, item: &Value) -> Result<(), String> {
        let operations = item["processors"]["operations"].as_array().cloned().unwrap_or_default();
        for operation in &operations {
            let given = ["map", "filter", "topic_send"].map(|what| !operation[what].is_null());
            if given.iter().filter(|given| **given).count() != 1 {
                return Err(format!("{} does not do one thing", operation["name"]));
            }
            let tables = operation["tables"].as_array().into_iter().flatten();
            self.wanted
                .extend(tables.filter_map(|table| table["name"].as_str()).map(str::to_owned));
        }
        for step in item["processors"]["pipeline"].as_array().into_iter().flatten() {
            if !operations.iter().any(|operation| operation["name"] == *step) {
                return Err(format!("the pipeline names {step}, which is no operation"));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), String> {
        let missing: Vec<String> = self.wanted.difference(&self.tables).cloned().collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("there are no tables {missing:?}")) }
    }
}

mod tests {
    use kaspr_crds::Kind;
    use serde_json::json;

    use super::*;
    use crate::defects::{agent, app, component, components, join, settled, table};

    fn check(objects: &[Value]) {
        let world = settled(objects);
        let files = files(&world);
        assert!(!files.is_empty());
        start(&files).unwrap();
    }

    fn fed(name: &str, channel: &str) -> Value {
        let mut object = agent(name);
        object["spec"]["input"] = json!({ "channel": { "name": channel } });
        object
    }

    #[test]
    fn an_app_with_a_component_of_every_kind_starts() {
        let mut objects = vec![app(json!({}))];
        objects.extend(components());
        check(&objects);
    }

    /// Two joins share a table, and agents read the channels of both.
    #[test]
    fn joins_come_after_their_tables_and_before_those_who_read_them() {
        let mut other = join("other");
        other["spec"]["leftTable"] = json!("third");
        other["spec"]["outputChannel"] = json!("both");
        check(&[
            app(json!({})),
            table("left"),
            table("right"),
            table("third"),
            join("pair"),
            other,
            fed("a", "both"),
            fed("z", "pair-channel"),
        ]);
    }

    #[test]
    fn an_app_without_joins_keeps_a_file_for_each_table() {
        let world = settled(&[app(json!({})), table("left"), agent("count")]);
        let names: Vec<String> = files(&world).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["count-agent.yaml", "left-table.yaml"]);
    }

    #[test]
    fn the_file_of_joins_goes_with_the_last_join() {
        let mut world = settled(&[app(json!({})), table("left"), table("right"), join("pair")]);
        let of_joins = |world: &World| {
            let named = |of: &kaspr_core::ObjectRef| of.name == "orders-app-joins";
            world.objects.keys().any(named)
        };
        assert!(of_joins(&world));
        world.remove(ObjectKind::Join, "pair");
        world.settle();
        assert!(!of_joins(&world));
        start(&files(&world)).unwrap();
    }

    /// The checker itself finds what a worker would not start with.
    #[test]
    fn what_a_worker_refuses_is_refused() {
        let cases = [
            ("agents:\n- name: a\n", "input"),
            ("agents: null\n", "no list"),
            (
                "joins:\n- {name: j, left_table: l, right_table: r, extractor: {python: x}}\n",
                "needs l",
            ),
            ("tables:\n- {name: t, partitions: '4'}\n", "partitions"),
            ("tables:\n- {name: t}\n- {name: t}\n", "already exists"),
            ("tasks:\n- {name: t, processors: {operations: null}}\n", "operations"),
            (
                "webviews:\n- {name: w, request: {path: /, method: GET}, response: {status_code: 1, \
              status_code_selector: {on_success: {python: x}}}}\n",
                "status_code",
            ),
        ];
        for (text, told) in cases {
            let problem = start(&[("x.yaml".to_owned(), text.to_owned())]).unwrap_err();
            assert!(problem.contains(told), "{problem}");
        }
    }

    /// Headers beside their selector end a worker's start; so does nothing that was only left empty.
    #[test]
    fn headers_are_left_to_their_selector() {
        let code = json!({ "python": "def f(v): return {}" });
        let view = component(
            Kind::WebView,
            "view",
            json!({ "name": "view",
            "request": { "method": "GET", "path": "/" },
            "response": { "headers": {}, "headersSelector": { "onSuccess": code } } }),
        );
        check(&[app(json!({})), view]);
    }
}
