//! What of a fact decides.

use serde_json::{Map, Value};

use super::Conclusion;
use super::facts::{Fact, name_of};
use crate::key::ObjectKind;
use crate::mask;
use crate::seen::Seen;
use crate::snapshot::{ComponentFacts, Snapshot};

/// Characters of a value that are told.
const VALUE_CHARS: usize = 60;

/// A part that can be taken out of a look: its name, and how.
type Part = (String, Box<dyn Fn(&mut Snapshot)>);

/// The parts of a fact without one of which something else would be concluded.
pub(super) fn that_decide(fact: Fact, snapshot: &Snapshot, of: &Conclusion) -> Vec<String> {
    let decides = |(name, take): Part| {
        let mut less = snapshot.clone();
        take(&mut less);
        (!of.is_alike_of(&less)).then_some(name)
    };
    parts(fact, snapshot).into_iter().filter_map(decides).collect()
}

fn parts(fact: Fact, snapshot: &Snapshot) -> Vec<Part> {
    match fact {
        Fact::App => object_parts(&snapshot.app, &["/spec", "/metadata/annotations"], |snapshot| {
            &mut snapshot.app
        }),
        Fact::Status => object_parts(&snapshot.app, &["/status"], |snapshot| &mut snapshot.app),
        Fact::StatefulSet => {
            let places = ["/metadata/annotations", "/spec", "/status"];
            object_parts(&snapshot.children.stateful_set, &places, |snapshot| {
                &mut snapshot.children.stateful_set
            })
        }
        Fact::Members => members(snapshot),
        Fact::Components => components(snapshot),
        Fact::ConfigMaps => {
            let maps = snapshot.children.config_maps.present().into_iter().flatten();
            maps.enumerate()
                .map(|(at, map)| {
                    let take = move |snapshot: &mut Snapshot| {
                        remove(&mut snapshot.children.config_maps, at);
                    };
                    (format!("ConfigMap {}", name_of(map)), Box::new(take) as Box<_>)
                })
                .collect()
        }
        Fact::Outcomes => snapshot
            .outcomes
            .keys()
            .map(|id| {
                let gone = id.clone();
                let take = move |snapshot: &mut Snapshot| {
                    snapshot.outcomes.remove(&gone);
                };
                (id.to_string(), Box::new(take) as Box<_>)
            })
            .collect(),
        // They are few enough to be told whole.
        Fact::Others | Fact::Timing | Fact::Settings => Vec::new(),
    }
}

/// Each pod, with what it answered.
fn members(snapshot: &Snapshot) -> Vec<Part> {
    let pods = snapshot.children.pods.present().into_iter().flatten().enumerate();
    pods.map(|(at, pod)| {
        let name = name_of(pod).to_owned();
        let title = format!("Pod {name}");
        let take = move |snapshot: &mut Snapshot| {
            remove(&mut snapshot.children.pods, at);
            snapshot.polls.remove(&name);
        };
        (title, Box::new(take) as Box<_>)
    })
    .collect()
}

fn components(snapshot: &Snapshot) -> Vec<Part> {
    let ComponentFacts { agents, tables, web_views, tasks, joins } = &snapshot.components;
    let lists = ObjectKind::COMPONENTS.into_iter().zip([agents, tables, web_views, tasks, joins]);
    lists
        .enumerate()
        .flat_map(|(list, (kind, seen))| {
            let items = seen.present().into_iter().flatten().enumerate();
            items.map(move |(at, item)| {
                let take = move |snapshot: &mut Snapshot| {
                    let ComponentFacts { agents, tables, web_views, tasks, joins } =
                        &mut snapshot.components;
                    let lists = [agents, tables, web_views, tasks, joins];
                    if let Some(list) = lists.into_iter().nth(list) {
                        remove(list, at);
                    }
                };
                (format!("{} {}", kind.kind(), name_of(item)), Box::new(take) as Box<_>)
            })
        })
        .collect()
}

fn remove(list: &mut Seen<Vec<Value>>, at: usize) {
    if let Seen::Present(items) = list
        && at < items.len()
    {
        items.remove(at);
    }
}

/// The fields below these places of an object, with what they say. Nothing secret is told.
fn object_parts(
    seen: &Seen<Value>,
    places: &[&'static str],
    object: fn(&mut Snapshot) -> &mut Seen<Value>,
) -> Vec<Part> {
    let Some(live) = seen.present() else { return Vec::new() };
    let mut told = live.clone();
    mask::object(&mut told);
    let fields = places.iter().flat_map(|place| {
        let fields = told.pointer(place).and_then(Value::as_object).into_iter().flatten();
        fields.map(|(name, value)| (*place, name.clone(), short(value)))
    });
    fields
        .map(|(place, name, value)| {
            let title =
                format!("{}.{name} = {value}", place.trim_start_matches('/').replace('/', "."));
            let take = move |snapshot: &mut Snapshot| {
                if let Seen::Present(live) = object(snapshot)
                    && let Some(fields) = fields_at(live, place)
                {
                    fields.remove(&name);
                }
            };
            (title, Box::new(take) as Box<_>)
        })
        .collect()
}

fn fields_at<'a>(object: &'a mut Value, place: &str) -> Option<&'a mut Map<String, Value>> {
    object.pointer_mut(place)?.as_object_mut()
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
