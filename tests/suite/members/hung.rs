//! Strikes and the ledger.

use std::time::Duration;

use kaspr_core::members::Member;
use kaspr_core::policy::hung::{Case, Knobs, Memory, Verdict, decide};
use kaspr_core::poll::Said;
use kaspr_core::status::memory::{Entry, Strikes};
use kaspr_core::{Reason, Uptime};

use super::table::{Dimension, table};
use super::{INTERVAL, at, member, reviewed, run, silent, word};

const NOW: u64 = 100_000;
const THRESHOLD: u64 = 300;

pub(super) fn knobs() -> Knobs {
    Knobs {
        is_on: true,
        threshold: Duration::from_secs(THRESHOLD),
        interval: INTERVAL,
        group_factor: 4,
        takes_majority: false,
        fleet_max: 20,
    }
}

/// What a decision says of member 1, in short.
fn told(before: &Memory, verdict: &Verdict) -> String {
    let strikes = |memory: &Memory, uid: &str| {
        memory.strikes.iter().find(|one| one.pod_uid == uid).map(|one| one.at.len())
    };
    let mut parts = Vec::new();
    match strikes(&verdict.memory, "u1") {
        None => parts.push("forgotten".to_owned()),
        Some(count) => parts.push(format!("{count} strikes")),
    }
    let entry = |memory: &Memory| {
        memory
            .terminations
            .iter()
            .find(|entry| entry.ordinal == 1)
            .map(|entry| entry.lapsed.is_some())
    };
    match (entry(before), entry(&verdict.memory)) {
        (None, Some(_)) => parts.push("entered".to_owned()),
        (Some(_), None) => parts.push("entry ends".to_owned()),
        (Some(false), Some(true)) => parts.push("entry lapses".to_owned()),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if !verdict.deletions.is_empty() {
        parts.push("pod deleted".to_owned());
    }
    let mut waits: Vec<&str> = verdict
        .waits
        .iter()
        .filter(|(pod, ..)| pod.ends_with('1'))
        .map(|(_, why, _)| why.code())
        .collect();
    waits.dedup();
    if !waits.is_empty() {
        parts.push(format!("waits for {}", waits.join("+")));
    }
    parts.join(", ")
}

fn entry(ordinal: i32, uid: &str, lapsed: bool) -> Entry {
    Entry {
        ordinal,
        pod_uid: uid.to_owned(),
        created: at(0).wall.to_string(),
        since: at(NOW - 10).stamp(),
        lapsed: lapsed.then(|| at(NOW - 10).stamp()),
    }
}

#[test]
fn every_combination_is_decided_as_reviewed() {
    let dimensions = [
        Dimension::of("gate", &["open", "rollout", "paused", "off"]),
        Dimension::of("uid", &["same", "new", "gone"]),
        Dimension::of(
            "answer",
            &["none yet", "healthy", "rebalancing", "recovering", "both", "silent"],
        ),
        Dimension::of("ledger", &["empty", "this pod", "lapsed", "full"]),
        Dimension::of("strikes", &["0", "1", "2", "3"]),
        Dimension::of("age", &["below", "at", "above"]),
    ];
    let mut verdict_of = |point: &[usize]| decided(point.try_into().unwrap());
    let about =
        "member 1 of nine, asked every 30 s; the threshold is 300 s, two are in replacement";
    reviewed("hung", about, table(&dimensions, &mut verdict_of));
}

fn decided(point: [usize; 6]) -> String {
    let [gate, uid, answer, ledger, strikes, age] = point;
    let said: Option<Said> = match answer {
        0 => None,
        1 => Some(word(false, false, false)),
        2 => Some(word(false, true, false)),
        3 => Some(word(false, false, true)),
        4 => Some(word(false, true, true)),
        _ => Some(silent()),
    };
    // Seen stuck before for so long, all of it by an earlier process.
    let stuck_for = [THRESHOLD - 1, THRESHOLD, THRESHOLD + 90][age];
    let recorded = Strikes {
        ordinal: 1,
        pod_uid: "u1".to_owned(),
        stuck_for,
        at: (0..strikes).map(|n| format!("{n}")).collect(),
        by: "me".to_owned(),
        round: 0,
    };
    let mut members: Vec<Member> = (0..9)
        .map(|ordinal| {
            let uid = format!("u{ordinal}");
            let well = run(&uid, &word(ordinal == 0, false, false), 1, NOW);
            member(ordinal, &uid, Some(well))
        })
        .collect();
    let own = if uid == 1 { "other" } else { "u1" };
    members[1].uid = own.to_owned();
    members[1].run = said.map(|said| run(own, &said, 1, NOW));
    if uid == 2 {
        members.remove(1);
    }
    let mut memory = Memory { strikes: vec![recorded], ..Memory::default() };
    memory.terminations = match ledger {
        0 => Vec::new(),
        1 => vec![entry(1, "u1", false)],
        2 => vec![entry(1, "u1", true)],
        _ => [5, 6, 7, 8].map(|ordinal| entry(ordinal, "gone", false)).into(),
    };
    let gate_reason = match gate {
        0 => None,
        1 => Some(Reason::RolloutUnderWay),
        2 => Some(Reason::Paused),
        _ => Some(Reason::DetectionOff),
    };
    let knobs = Knobs { is_on: gate != 3, ..knobs() };
    // What stands in the status was seen a while ago.
    let marks = marks(&memory, Uptime((NOW - 40) * 1_000));
    let verdict = decide(&Case {
        now: at(NOW),
        process: "me",
        knobs: &knobs,
        gate: gate_reason.as_ref(),
        is_paused: gate == 2,
        desired: 9,
        members: &members,
        memory: &memory,
        marks: &marks,
        elsewhere: 0,
    });
    told(&memory, &verdict)
}

/// All marks of a memory, seen at one instant.
pub(super) fn marks(memory: &Memory, at: Uptime) -> kaspr_core::marks::Marks {
    let status = serde_json::json!({ "status": {
        "strikes": memory.strikes, "terminations": memory.terminations,
    }});
    let mut marks = kaspr_core::marks::Marks::new();
    kaspr_core::marks::note(&mut marks, &kaspr_core::status::AppStatus::of(&status), at);
    marks
}
