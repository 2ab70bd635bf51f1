//! The frames of one file: each is whole and sound, or it is not read.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use zstd::stream::raw::{DParameter, Decoder, Operation};

use crate::limits;

/// Bytes that are decompressed at a time.
const CHUNK: usize = 128 * 1024;

/// Reads a file frame by frame.
pub(crate) struct Frames {
    input: BufReader<File>,
    decoder: Decoder<'static>,
    chunk: Vec<u8>,
    read: u64,
}

/// A frame that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadFrame {
    /// Where it begins, in bytes of the file.
    pub(crate) offset: u64,
    /// What is wrong with it.
    pub(crate) why: String,
}

impl Frames {
    pub(crate) fn of(file: File) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(limits::WINDOW_LOG_MAX))?;
        Ok(Self { input: BufReader::new(file), decoder, chunk: vec![0; CHUNK], read: 0 })
    }

    /// Bytes of the file that are read.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// Puts the text of the next frame into `text`, and says where the frame begins; none at the end
    /// of the file. What stands in `text` after an error is not to be used.
    pub(crate) fn next(&mut self, text: &mut Vec<u8>) -> Result<Option<u64>, BadFrame> {
        let offset = self.read;
        text.clear();
        let bad = |why: String| BadFrame { offset, why };
        self.decoder.reinit().map_err(|error| bad(error.to_string()))?;
        loop {
            let (is_whole, is_stuck) =
                self.advance(text).map_err(|error| bad(error.to_string()))?;
            if is_whole {
                return Ok(Some(offset));
            }
            if is_stuck && self.read == offset {
                return Ok(None);
            }
            if is_stuck {
                return Err(bad("the file ends within a frame".to_owned()));
            }
            if text.len() > limits::FRAME_BYTES_MAX {
                let max = limits::FRAME_BYTES_MAX;
                return Err(bad(format!("the text of a frame is longer than {max} bytes")));
            }
        }
    }

    /// Decompresses a chunk: whether the frame is whole with it, and whether nothing moved.
    fn advance(&mut self, text: &mut Vec<u8>) -> io::Result<(bool, bool)> {
        let input = self.input.fill_buf()?;
        let is_end = input.is_empty();
        let status = self.decoder.run_on_buffers(input, &mut self.chunk)?;
        self.input.consume(status.bytes_read);
        self.read = self.read.saturating_add(u64::try_from(status.bytes_read).unwrap_or(0));
        text.extend_from_slice(self.chunk.get(..status.bytes_written).unwrap_or_default());
        Ok((status.remaining == 0, is_end && status.bytes_written == 0))
    }
}
