//! Manifest files: YAML or JSON in, objects with the lines of their fields out.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use kaspr_core::mask;
use kaspr_core::schema::join;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

/// Manifests larger than this are refused: nothing that an API server takes is as large.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// One object of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file as it was named; `-` for standard input.
    pub file: String,
    /// The object.
    pub object: Value,
    /// The line of each field, by its path.
    lines: BTreeMap<String, u64>,
}

/// Why a file has no manifests.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file itself.
    #[error("cannot read {file}: {source}")]
    File {
        /// Which.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its text.
    #[error("{file}:{line}: {message}")]
    Text {
        /// Which.
        file: String,
        /// Where.
        line: u64,
        /// What the reader says.
        message: String,
    },
}

impl Document {
    /// The line of the field at `path`, or of the nearest field around it that is there.
    pub fn line(&self, path: &str) -> u64 {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).unwrap_or_default(),
                None => return self.lines.get("").copied().unwrap_or(1),
            }
        }
    }

    /// Kind and name, as `KasprAgent clean`.
    pub fn title(&self) -> String {
        let text = |pointer: &str| {
            self.object.pointer(pointer).and_then(Value::as_str).unwrap_or("(none)").to_owned()
        };
        format!("{} {}", text("/kind"), text("/metadata/name"))
    }
}

/// Reads the objects of a file, or of standard input for `-`.
pub fn read_file(file: &str) -> Result<Vec<Document>, Unreadable> {
    let unreadable = |source| Unreadable::File { file: file.to_owned(), source };
    let mut text = String::new();
    if file == "-" {
        std::io::stdin().take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    } else {
        let opened = std::fs::File::open(file).map_err(unreadable)?;
        opened.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    }
    read(file, &text)
}

/// Reads the objects of a text: documents that are empty are left out, lists are taken apart.
pub fn read(file: &str, text: &str) -> Result<Vec<Document>, Unreadable> {
    let nodes: Vec<Spanned<Node>> = serde_saphyr::from_multiple(text).map_err(|error| {
        let error = error.without_snippet();
        let line = error.location().map_or(1, |location| location.line());
        let message = error.to_string().lines().next().unwrap_or_default().to_owned();
        Unreadable::Text { file: file.to_owned(), line, message }
    })?;
    let mut documents = Vec::new();
    for node in nodes {
        let line = node.referenced.line();
        let node = node.value;
        if matches!(node, Node::Scalar(Value::Null)) {
            continue;
        }
        match node.items_of_list() {
            Ok(items) => documents.extend(items.into_iter().map(|item| {
                let line = item.referenced.line();
                document(file, item.value, line)
            })),
            Err(node) => documents.push(document(file, node, line)),
        }
    }
    Ok(documents)
}

fn document(file: &str, node: Node, line: u64) -> Document {
    let mut lines = BTreeMap::from([(String::new(), line)]);
    let mut object = node.into_value("", &mut lines);
    // It has a meaning in recordings alone.
    if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
        annotations.remove(mask::REDACTED);
    }
    Document { file: file.to_owned(), object, lines }
}

/// YAML with the lines of its values.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl Node {
    /// The items of a `v1` List, or the node itself.
    fn items_of_list(self) -> Result<Vec<Spanned<Node>>, Self> {
        let Self::Map(fields) = self else { return Err(self) };
        let says = |field: &str, wanted: &str| {
            fields.iter().any(|(name, node)| {
                name.value == field
                    && matches!(&node.value, Self::Scalar(Value::String(text)) if text == wanted)
            })
        };
        if !says("kind", "List") {
            return Err(Self::Map(fields));
        }
        let items = fields.into_iter().find(|(name, _)| name.value == "items");
        match items.map(|(_, node)| node.value) {
            Some(Self::List(items)) => Ok(items),
            Some(Self::Scalar(_) | Self::Map(_)) | None => Ok(Vec::new()),
        }
    }

    fn into_value(self, path: &str, lines: &mut BTreeMap<String, u64>) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::List(items) => {
                let items = items.into_iter().enumerate().map(|(index, item)| {
                    let path = format!("{path}[{index}]");
                    lines.insert(path.clone(), item.referenced.line());
                    item.value.into_value(&path, lines)
                });
                items.collect()
            }
            Self::Map(fields) => {
                let mut object = Map::new();
                for (name, node) in fields {
                    let at =
                        if path.is_empty() { name.value.clone() } else { join(path, &name.value) };
                    // The line of the name: a value may begin on a later one.
                    lines.insert(at.clone(), name.referenced.line());
                    object.insert(name.value, node.value.into_value(&at, lines));
                }
                Value::Object(object)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_know_their_lines() {
        let text = "# a\nkind: A\nspec:\n  list:\n  - x: 1\n  - {y: 2}\n  text: |\n    a\n---\n---\nb: c\n";
        let documents = read("f", text).unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[0].line("spec.list[1].y"), 6);
        assert_eq!(documents[0].line("spec.text"), 7);
        assert_eq!(documents[0].line("spec.list[7].z"), 4);
        assert_eq!(documents[1].line("b"), 11);
        assert_eq!(documents[0].object["spec"]["list"][1]["y"], 2);
    }

    #[test]
    fn lists_are_taken_apart() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- kind: A\n- kind: B\n";
        let documents = read("f", text).unwrap();
        let titles: Vec<String> = documents.iter().map(Document::title).collect();
        assert_eq!(titles, ["A (none)", "B (none)"]);
        assert_eq!(documents[1].line(""), 5);
    }

    #[test]
    fn what_is_no_yaml_names_the_line() {
        let error = read("f", "a: 1\nb: [\n").unwrap_err().to_string();
        assert!(error.starts_with("f:"), "{error}");
        let error = read("f", "a: 1\na: 2\n").unwrap_err().to_string();
        assert!(error.starts_with("f:2: "), "{error}");
    }
}
