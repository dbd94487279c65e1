//! The way of a worker's output: secrets out, record, translation, and what is shown of it live.

use roboppi_ipc::{Mono, OutputStream, RecordLimits, WorkerEvent};
use roboppi_record::{RecordedEvent, shorten_event};
use roboppi_redact::{EventRedaction, Redactor, Secrets};

use super::State;
use crate::live::{LiveEvent, Offered, ProgressThinner, StoredRange};
use crate::worker::WorkerOptions;
use crate::worker::machine::Input;
use crate::worker::repetition::Repetition;
use crate::worker::warning::{limit_words, too_many_masks_words};

/// What is known of the output so far, and what of it is shown.
pub(super) struct OutputState {
    /// Of stdout and stderr.
    redactors: [Redactor; 2],
    repetitions: [Repetition; 2],
    events: EventRedaction,
    pub(super) progress: ProgressThinner,
    show_events: bool,
    show_output: bool,
    /// Output is announced by its place in the log.
    announces_growth: bool,
    /// Events that the record is given, with their lengths and places in it. None is left once an input is handled.
    recorded: Vec<(Offered, usize, Option<StoredRange>)>,
    /// Kept between pieces for their capacity.
    clean: Vec<u8>,
    plain: Vec<u8>,
}

impl OutputState {
    pub(super) fn new(options: &WorkerOptions, secrets: &Secrets) -> Self {
        Self {
            redactors: [(); 2].map(|()| Redactor::new(secrets).with_masks()),
            repetitions: <[Repetition; 2]>::default(),
            events: EventRedaction::default(),
            progress: ProgressThinner::new(options.limits.progress_time),
            show_events: options.live,
            show_output: options.live && options.stdio,
            announces_growth: options.log_grew,
            recorded: Vec::new(),
            clean: Vec::new(),
            plain: Vec::new(),
        }
    }
}

impl State {
    /// Takes secrets out before anything else sees what came. Only the session is given it as it is.
    pub(super) fn output(&mut self, now: Mono, stream: OutputStream, bytes: &[u8]) {
        let (mut clean, mut plain) =
            (std::mem::take(&mut self.output.clean), std::mem::take(&mut self.output.plain));
        let redactor = &mut self.output.redactors[stream as usize];
        redactor.push_both(bytes, &mut clean, &mut plain);
        if redactor.take_refused() {
            self.no_more_is_hidden();
        }
        self.ingest(now, stream, &clean, &plain);
        clean.clear();
        plain.clear();
        (self.output.clean, self.output.plain) = (clean, plain);
    }

    /// Takes in what might have been the beginning of a secret, and was not.
    pub(super) fn rest_of_output(&mut self, now: Mono) {
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            let (mut clean, mut plain) = (Vec::new(), Vec::new());
            let redactor = &mut self.output.redactors[stream as usize];
            redactor.finish_both(&mut clean, &mut plain);
            if redactor.take_refused() {
                self.no_more_is_hidden();
            }
            self.ingest(now, stream, &clean, &plain);
        }
    }

    /// Says, once for all workers, that a value which one wanted hidden is not.
    pub(in crate::worker) fn no_more_is_hidden(&mut self) {
        if !self.host.full_reported.replace(true) {
            self.warn(too_many_masks_words());
        }
    }

    fn ingest(&mut self, now: Mono, stream: OutputStream, clean: &[u8], plain: &[u8]) {
        if !clean.is_empty() {
            self.record(now, stream, clean);
        }
        if clean.is_empty() && plain.is_empty() {
            return;
        }
        self.handle(now, Input::OutputBegins);
        self.translate(now, |translation, effects| {
            translation.output_both(now, stream, plain, clean, effects);
        });
        self.handle(now, Input::OutputEnds);
    }

    fn record(&mut self, now: Mono, stream: OutputStream, bytes: &[u8]) {
        let ts = self.host.clock.utc();
        let offset = self.recorder.output(stream, bytes, ts);
        self.keep_form_of_output(now);
        self.pass_on_trouble();
        self.keep_within_limit(now);
        if let Some(repeated) = self.output.repetitions[stream as usize].push(bytes) {
            self.warn(repeated.to_string());
        }
        let is_raw = self.translation.as_ref().is_some_and(|translation| translation.is_raw(stream));
        if self.output.show_output && is_raw {
            self.live.output(now, ts, stream, offset, bytes);
        }
    }

    /// Output is announced by its place in the log only as long as all of it is there.
    pub(super) fn keep_form_of_output(&mut self, now: Mono) {
        self.output.announces_growth &= self.recorder.is_readable();
        self.live.announce_growth(now, self.output.announces_growth);
    }

    /// Says that a file of the record has become too large; the machine decides what follows.
    fn keep_within_limit(&mut self, now: Mono) {
        while let Some(reached) = self.recorder.take_limit_reached() {
            let RecordLimits { log_bytes, over, .. } = self.recorder.limits();
            self.warn(limit_words(reached, log_bytes, over));
            self.handle(now, Input::LimitReached(over));
        }
    }

    /// Shows the progress that was held back.
    pub(super) fn release_progress(&mut self, now: Mono) {
        if let Some(progress) = self.output.progress.release(now) {
            self.event(now, WorkerEvent::Progress(progress));
            self.flush_events(now);
        }
    }

    /// Numbers an event and gives it to the record. It is offered once it is there: see [`flush_events`](Self::flush_events).
    pub(super) fn event(&mut self, now: Mono, mut event: WorkerEvent) {
        self.report_to_watcher(&event);
        self.handle(now, Input::Event { waits: matches!(event, WorkerEvent::Waiting(_)) });
        self.output.events.clean(&self.host.secrets, &mut event);
        shorten_event(&mut event, &mut |whole| self.recorder.blob(whole));
        self.offer(now, event);
    }

    /// The same for an event about the worker that is not one of its doings.
    pub(in crate::worker) fn found_event(&mut self, now: Mono, mut event: WorkerEvent) {
        self.output.events.clean(&self.host.secrets, &mut event);
        shorten_event(&mut event, &mut |whole| self.recorder.blob(whole));
        self.offer(now, event);
    }

    /// Takes secrets out of a text.
    pub(in crate::worker) fn redact(&self, text: &mut String) {
        self.host.secrets.redact(text);
    }

    /// Puts a large value into the record and gives its name.
    pub(in crate::worker) fn put_aside(&mut self, content: &[u8]) -> Option<String> {
        self.recorder.blob(content)
    }

    /// Now, in milliseconds of UTC.
    pub(in crate::worker) fn utc_ms(&self) -> u64 {
        self.host.clock.utc().0
    }

    /// The same for an event that holds no text, and is no activity of its worker.
    pub(super) fn offer(&mut self, now: Mono, event: WorkerEvent) {
        let (ts, at) = (self.host.clock.utc(), self.recorder.log_bytes());
        let seq = self.live.number(now);
        let mut bytes = match &event {
            WorkerEvent::TextDelta(piece) | WorkerEvent::ThinkingDelta(piece) => piece.delta.len(),
            _ => 0,
        };
        let mut stored = None;
        // Its JSON is made once, for the record and for those who are shown it.
        let offered = match event.is_recorded().then(|| RecordedEvent::new(seq, ts, at, &event)) {
            Some(Ok(record)) => {
                let (len, place) = self.recorder.event(&record);
                (bytes, stored) = (usize::try_from(len).unwrap_or(usize::MAX), place);
                Offered::Recorded(record)
            }
            Some(Err(_)) | None => Offered::Made(LiveEvent { seq, ts, at, event }),
        };
        if self.output.show_events {
            self.output.recorded.push((offered, bytes, stored));
        }
    }

    /// Offers the events that were given to the record, when it has them.
    pub(in crate::worker) fn flush_events(&mut self, now: Mono) {
        if !self.recorder.flush_events() {
            // Before anything else: what a limit leads to may flush again, with success.
            self.output.recorded.iter_mut().for_each(|(_, _, stored)| *stored = None);
        }
        self.pass_on_trouble();
        self.keep_within_limit(now);
        let mut recorded = std::mem::take(&mut self.output.recorded);
        for (event, bytes, stored) in recorded.drain(..) {
            self.live.push(event, bytes, stored);
        }
        self.output.recorded = recorded;
    }

    pub(super) fn pass_on_trouble(&mut self) {
        if let Some(trouble) = self.recorder.take_trouble() {
            self.warn(trouble);
        }
    }
}
