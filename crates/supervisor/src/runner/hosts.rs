//! Other hosts of a run: how they are reached, and what of their record is taken.

use roboppi_hosts::{CoreOptions, SessionName};
use roboppi_record::MirrorWriter;
use roboppi_run::{AttemptRef, HostId};
use roboppi_workflow::HostSpec;

use super::{RunContext, Runner};
use crate::convert::duration_ms;
use crate::core_link::{CoreLaunch, HostFailure, LinkEvent, Loss};
use crate::host_link::{HostLink, HostLinkSettings};
use crate::machine::CoreRef;

impl RunContext {
    /// How a host is reached on which a step works.
    pub(super) fn host_spec(&self, host: &HostId) -> Option<&HostSpec> {
        self.settings.source.workflow.hosts.get(host.as_str())
    }
}

impl Runner {
    /// Begins the connection to another host.
    pub(super) fn reach(&mut self, core: &CoreRef) -> Option<(CoreLaunch, HostFailure)> {
        let context = &self.context;
        let events = self.events.of(&core.host);
        let session = SessionName::of(context.run_id.as_str(), core.host.as_str());
        let (Some(spec), Ok(session)) = (context.host_spec(&core.host), session) else {
            let detail = format!("the workflow has no host `{}`", core.host);
            events.send(LinkEvent::Lost { detail, loss: Loss::NotStarted });
            return None;
        };
        let settings = &context.settings;
        let options = CoreOptions {
            concurrency: spec.concurrency.unwrap_or_else(|| settings.concurrency()),
            grace_ms: duration_ms(settings.longest_grace()),
            drain_ms: duration_ms(settings.drain),
            env: spec.env.clone(),
        };
        let link = HostLinkSettings {
            host: core.host.clone(),
            spec: spec.clone(),
            session,
            epoch: core.incarnation,
            core: options,
            writer: MirrorWriter::at(context.run_dir.path().to_owned(), core.host.as_str()),
            secrets: settings.secrets.hidden.clone(),
        };
        let (link, streams, failure) = HostLink::begin(link, &events);
        self.hosts.insert(core.host.clone(), link);
        Some((CoreLaunch::Connected(streams), failure))
    }

    /// The files of an attempt are taken from its host from now on.
    pub(super) fn open_mirror(&self, of: &AttemptRef, host: &HostId) {
        if let Some(link) = self.hosts.get(host) {
            link.open(&of.base());
        }
    }

    /// An attempt has ended: nothing more of its files is taken.
    pub(super) fn close_mirror(&self, of: &AttemptRef) {
        if let Some(link) = self.hosts.get(&self.context.host_of_last(&of.step)) {
            link.close(&of.base());
        }
    }
}
