// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"math"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"shim6/daemon/control"
)

// family is a metric, with the names of its labels.
type family struct {
	*prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("shim6_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("shim6_"+name, help, labels, nil), prometheus.CounterValue}
}

// The metrics. Labels have as many values as the host has links, or those of a fixed list: none
// has an address of a peer.
var (
	metricUp          = gauge("up", "1 if shim6d answers, otherwise 0. All else that shim6d tells is missing then.")
	metricInfo        = gauge("daemon_info", "The version of shim6d; always 1.", "version")
	metricStart       = gauge("daemon_start_time_seconds", "When shim6d was started, in seconds since 1970.")
	metricOverview    = gauge("overview_time_seconds", "When shim6d made the overview that these metrics come from, in seconds since 1970.")
	metricKernel      = gauge("kernel_module_loaded", "1 if shim6d is connected to the kernel module, otherwise 0.")
	metricContexts    = gauge("contexts", "Contexts by state of RFC 5533.", "state")
	metricReap        = gauge("contexts_reap", "Contexts by state of REAP, RFC 5534. One that is not operational looks for another locator pair.", "state")
	metricHoldDowns   = gauge("hold_downs", "ULID pairs whose peer has no Shim6, or does not answer it.")
	metricRecords     = gauge("records", "Contexts that shim6d keeps for a restart.")
	metricProtected   = gauge("contexts_protected", "Contexts that have somewhere to go if their provider fails.")
	metricUnprotected = gauge("contexts_unprotected", "Contexts that have nowhere to go, by reason: why there is no context that can send, or what each host lacks.", "why", "local", "peer")
	metricSwitches    = counter("switches_total", "Switches of contexts to another locator pair.", "direction", "trigger")
	metricLocators    = gauge("locators", "Addresses of this host that Shim6 uses.")
	metricOperational = gauge("link_operational", "1 if packets can leave by the router of the link, as far as this host knows, otherwise 0.", "interface", "router")
	metricLinkSends   = gauge("link_contexts", "Contexts whose payload leaves by the router of the link.", "interface", "router")
	metricAnswered    = counter("link_probes_answered_total", "Probes that left by the router of the link and that the peer has got.", "interface", "router")
	metricLost        = counter("link_probes_lost_total", "Probes that left by the router of the link and that the peer has not said to have got, within two seconds.", "interface", "router")
	metricRTT         = gauge("link_probe_rtt_seconds", "The mean of the last round trips of Probes that left by the router of the link.", "interface", "router")
	metricReceived    = counter("interface_receive_bytes_total", "Octets that came by an interface that Shim6 uses.", "interface")
	metricSent        = counter("interface_transmit_bytes_total", "Octets that left by an interface that Shim6 uses.", "interface")
	metricMessagesOut = counter("control_messages_sent_total", "Control messages that shim6d has sent, by type.", "type")
	metricMessagesIn  = counter("control_messages_received_total", "Control messages that shim6d has received, by type.", "type")
	metricDropped     = counter("control_messages_dropped_total", "Control messages that shim6d made no use of, by reason.", "reason")
	metricReapEvents  = counter("reap_events_total", "Counters of REAP, as shim6tool daemon status names them.", "event")
	metricEventsLost  = counter("daemon_events_lost_total", "How often events of the kernel came faster than shim6d read them.")
	metricSendErrors  = counter("daemon_send_errors_total", "Control messages that could not be sent.")
	metricStateError  = gauge("daemon_state_error", "1 if shim6d can't keep what a restart needs: contexts, or keys and addresses.", "state")
	metricModule      = counter("kernel_events_total", "Counters of the kernel module; docs/counters.md explains each.", "counter")
	metricOutages     = prometheus.NewDesc("shim6_outage_seconds", "For how long payload may have been lost before an outbound switch.", nil, nil)

	metrics = []family{
		metricUp, metricInfo, metricStart, metricOverview, metricKernel, metricContexts, metricReap, metricHoldDowns, metricRecords, metricProtected,
		metricUnprotected, metricSwitches, metricLocators, metricOperational, metricLinkSends, metricAnswered, metricLost, metricRTT, metricReceived,
		metricSent, metricMessagesOut, metricMessagesIn, metricDropped, metricReapEvents, metricEventsLost, metricSendErrors, metricStateError, metricModule,
	}
)

// exporter is the collector of a watcher. It asks nobody but the kernel, for a list of counters: a
// scrape takes as long with many contexts as with few.
type exporter struct{ w *watcher }

// metricsHandler serves the metrics, and no others.
func metricsHandler(w *watcher) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(exporter{w})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		MaxRequestsInFlight: 10,
		// Two interfaces whose names differ in octets that are no text would be one series.
		ErrorHandling: promhttp.ContinueOnError,
	})
}

// Describe tells what Collect may send.
func (exporter) Describe(c chan<- *prometheus.Desc) {
	for _, m := range metrics {
		c <- m.Desc
	}
	c <- metricOutages
}

// Collect sends the metrics of now.
func (e exporter) Collect(c chan<- prometheus.Metric) {
	send := func(m family, v float64, labels ...string) {
		for i := range labels {
			// The name of an interface may be any octets.
			labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
		}
		c <- prometheus.MustNewConstMetric(m.Desc, m.kind, v, labels...)
	}
	for _, s := range e.w.kernel() {
		if s.Name != "contexts" {
			send(metricModule, float64(s.Value), s.Name)
		}
	}
	e.w.mu.Lock()
	o, failed, traffic := e.w.overview, e.w.failed, e.w.traffic
	e.w.mu.Unlock()
	if o == nil || failed != "" {
		send(metricUp, 0)
		return
	}
	send(metricUp, 1)
	e.daemon(&o.Status, o, send)
	for state, n := range o.States {
		send(metricContexts, float64(n), state)
	}
	for state, n := range o.ReapStates {
		send(metricReap, float64(n), state)
	}
	send(metricProtected, float64(o.Protected))
	for _, l := range o.Unprotected {
		send(metricUnprotected, float64(l.Contexts), l.Why, l.Local, l.Peer)
	}
	for _, s := range o.Switches {
		send(metricSwitches, float64(s.Count), s.Direction, s.Trigger)
	}
	c <- outages(&o.Outages)
	sent := map[string]bool{}
	for i := range o.Links {
		l := &o.Links[i]
		router := ""
		if l.Router.IsValid() {
			router = l.Router.String()
		}
		send(metricOperational, number(l.Operational), l.Interface, router)
		send(metricLinkSends, float64(l.Outbound), l.Interface, router)
		send(metricAnswered, float64(l.ProbesAnswered), l.Interface, router)
		send(metricLost, float64(l.ProbesLost), l.Interface, router)
		if l.RTT > 0 {
			send(metricRTT, math.Round(1000*l.RTT)/1e6, l.Interface, router)
		}
		if t, ok := traffic[l.Interface]; ok && !sent[l.Interface] {
			sent[l.Interface] = true
			send(metricReceived, float64(t.in), l.Interface)
			send(metricSent, float64(t.out), l.Interface)
		}
	}
}

// daemon sends what is known of shim6d itself.
func (e exporter) daemon(s *control.Status, o *control.Overview, send func(family, float64, ...string)) {
	send(metricInfo, 1, s.Version)
	send(metricStart, float64(o.Time.UnixMilli()-s.Uptime)/1000)
	send(metricOverview, float64(o.Time.UnixMilli())/1000)
	send(metricKernel, number(s.Kernel))
	send(metricHoldDowns, float64(s.HoldDowns))
	send(metricRecords, float64(s.Records))
	send(metricLocators, float64(s.Locators))
	send(metricEventsLost, float64(s.EventsLost))
	send(metricSendErrors, float64(s.SendErrors))
	send(metricStateError, number(s.RecordsError != ""), "contexts")
	send(metricStateError, number(s.KeysError != ""), "keys")
	for _, m := range []struct {
		family
		values map[string]uint64
	}{{metricMessagesOut, s.Sent}, {metricMessagesIn, s.Received}, {metricDropped, s.Dropped}, {metricReapEvents, s.Reap}} {
		for name, n := range m.values {
			send(m.family, float64(n), name)
		}
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// outages is the histogram of outages.
func outages(o *control.Outages) prometheus.Metric {
	buckets, sum := map[float64]uint64{}, uint64(0)
	for i, n := range o.Counts {
		sum += n
		if i < len(o.Bounds) {
			buckets[float64(o.Bounds[i])/1000] = sum
		}
	}
	return prometheus.MustNewConstHistogram(metricOutages, sum, float64(o.Sum)/1000, buckets)
}
