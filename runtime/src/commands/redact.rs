//! `redact`: recordings for others, without what may be secret.

use std::fs;
use std::io;
use std::path::Path;

use kaspr_recording::{Filter, Reader, Recorder, Rotation};

use super::{CommandError, say, unread};
use crate::args::RedactArgs;

/// Copies the looks of recordings with masks in place of what may be secret.
///
/// # Errors
/// If nothing was copied, a file cannot be read or written, or the folder is not empty.
pub fn execute(args: &RedactArgs) -> Result<(), CommandError> {
    check_folder(&args.to)?;
    let filter = Filter { app: args.app.clone(), ..Filter::default() };
    let mut reader = Reader::of(&args.files, filter).map_err(unread)?;
    // Nothing of a copy is given up for what comes after it.
    let rotation = Rotation { files: usize::MAX, ..Rotation::default() };
    let mut recorder = Recorder::new(&args.to, env!("CARGO_PKG_VERSION"), rotation).redacting();
    let mut looks: u64 = 0;
    while let Some(found) = reader.next_look().map_err(unread)? {
        recorder.record(&found.look, found.look.snapshot.now).map_err(CommandError::failed)?;
        looks = looks.saturating_add(1);
    }
    recorder.close().map_err(CommandError::failed)?;
    let (left_out, damages) = (recorder.left_out(), reader.damages().len());
    if looks == left_out {
        return Err(CommandError::Failed("there is no such look in what was read".to_owned()));
    }
    let copied = looks.saturating_sub(left_out);
    say(&format!("looks copied {copied}, left out {left_out}, damages {damages}"))
}

/// A copy beside other files would be taken for one recording with them.
fn check_folder(folder: &Path) -> Result<(), CommandError> {
    let name = folder.display();
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(CommandError::Usage(format!("{name} is not empty: name another folder"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CommandError::Usage(format!("{name} cannot be read: {error}"))),
    }
}
