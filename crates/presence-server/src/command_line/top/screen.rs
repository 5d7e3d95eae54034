//! A terminal as a screen: drawn over in place, with keys that arrive at once, and given back as it was.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::thread;

use anyhow::{Context as _, ensure};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// The other screen of a terminal, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// What a terminal has that does not tell its size.
const SIZE: (usize, usize) = (80, 24);

/// The terminal, until it is dropped, also by a panic.
pub(super) struct Screen {
    before: Termios,
    /// q was pressed.
    leave: mpsc::Receiver<()>,
    interrupt: Signal,
    terminate: Signal,
}

impl Screen {
    /// Fails if standard input or output is no terminal.
    pub(super) fn open() -> anyhow::Result<Self> {
        let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        ensure!(terminal, "this is no terminal: write --once");
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let before = tcgetattr(io::stdin()).context("the terminal can't be read")?;
        let mut at_once = before.clone();
        at_once.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        let (sender, leave) = mpsc::channel(1);
        let screen = Self { before, leave, interrupt, terminate };
        tcsetattr(io::stdin(), OptionalActions::Now, &at_once).context("the terminal can't be set")?;
        // It waits for a key until the process ends.
        thread::Builder::new().name("keys".to_owned()).spawn(move || read_keys(&sender))?;
        write(ENTER)?;
        Ok(screen)
    }

    /// Draws these lines over the earlier ones, as far as they fit.
    pub(super) fn show(&self, lines: &[String]) -> anyhow::Result<()> {
        let size = tcgetwinsize(io::stdout()).ok().map(|size| (size.ws_col.into(), size.ws_row.into()));
        write(&frame(lines, size.filter(|size| size.0 > 0 && size.1 > 0).unwrap_or(SIZE)))
    }

    /// Waits until q is pressed, the terminal is gone, or a signal ends the program.
    pub(super) async fn left(&mut self) {
        tokio::select! {
            _ = self.leave.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        drop(write(LEAVE));
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Reads keys up to a q, or to the end of the input.
fn read_keys(leave: &mpsc::Sender<()>) {
    let quits = io::stdin().lock().bytes().map_while(Result::ok).any(|byte| matches!(byte, b'q' | b'Q'));
    // The receiver may have ended already; without a q, dropping the sender tells it.
    if quits {
        let _ = leave.blocking_send(());
    }
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("the terminal can't be written to")
}

/// What draws these lines from the top, each cut at the width, and clears the rest.
fn frame(lines: &[String], (columns, rows): (usize, usize)) -> String {
    let cut = |line: &String| line.chars().take(columns).collect::<String>();
    let shown: Vec<String> = lines.iter().take(rows).map(|line| format!("{}\x1b[K", cut(line))).collect();
    format!("\x1b[H{}\x1b[J", shown.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_the_terminal() {
        let lines = ["a long line", "second", "third"].map(str::to_owned);
        assert_eq!(frame(&lines, (6, 2)), "\x1b[Ha long\x1b[K\r\nsecond\x1b[K\x1b[J");
        assert_eq!(frame(&[], (6, 2)), "\x1b[H\x1b[J");
    }
}
