//! `redact`: recordings for others, without what may be secret.

use std::fs;
use std::io;
use std::path::Path;

use kaspr_recording::{Filter, Reader, Recorder, Rotation};

use super::{CommandError, no_such_look, say, tell_damages, unread};
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
    let (mut looks, mut file): (u64, u64) = (0, 0);
    while let Some(found) = reader.next_look().map_err(unread)? {
        // A file is of one process, which decided by what it had in mind.
        if found.file != file {
            file = found.file;
            recorder.go_on_as(found.written_by).map_err(CommandError::failed)?;
        }
        recorder.record(&found.look, found.look.snapshot.now).map_err(CommandError::failed)?;
        looks = looks.saturating_add(1);
    }
    recorder.close().map_err(CommandError::failed)?;
    tell_damages(reader.damages());
    let left_out = recorder.left_out();
    match looks.saturating_sub(left_out) {
        0 if looks == 0 => Err(no_such_look()),
        0 => Err(CommandError::Failed(format!("none of {looks} looks can be masked"))),
        copied => say(&format!("looks copied {copied}, left out {left_out}")),
    }
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use kaspr_core::Plan;
    use kaspr_recording::replay;

    use super::*;
    use crate::commands::sample::{Folder, record};

    fn run(files: &[PathBuf], to: &Path) -> Result<(), CommandError> {
        execute(&RedactArgs { files: files.to_vec(), to: to.to_owned(), app: None })
    }

    #[test]
    fn a_copy_keeps_files_and_differences_and_goes_into_a_folder_of_its_own() {
        let folder = Folder::new("redacted");
        let from = ["one", "two"].map(|name| folder.0.join(name));
        record(&from[0], |_, plan| plan);
        // What a build with another rule decided differs in the copy too.
        record(&from[1], |at, plan| if at == 1 { Plan::default() } else { plan });
        let to = folder.0.join("copy");
        run(&from, &to).unwrap();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2, "a file for each process");
        let report =
            replay(&mut Reader::of(std::slice::from_ref(&to), Filter::default()).unwrap()).unwrap();
        assert_eq!((report.looks, report.differing), (6, 1));
        assert!(matches!(run(&from, &to), Err(CommandError::Usage(_))), "it is not empty");
    }
}
