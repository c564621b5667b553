#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# shim6web beside two real shim6ds, with two providers each, in a real Chromium: a provider is cut,
# and within a second the page says which, why, and by which pair each session goes. Prometheus
# scrapes the same, and its alerts fire and clear.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/web.sh"
need ip tc radvd ping jq curl modprobe shim6tool shim6d shim6web look chromium prometheus ssh sshd ssh-keygen

TAP_STORY=1
SHOTS=${SHIM6_ARTIFACTS:-$TEST_TMP}
RULES=$here/../../tools/shim6web/prometheus/shim6.rules.yml

answers_each() { in_ns a ping -6 -q -n -c 1 -W 1 -I "$A1" "$B1" && in_ns a ping -6 -q -n -c 1 -W 1 -I "$A2" "$B2"; }

hosts()
{
	local p

	modprobe shim6 && topo_links 5ms && daemon_conf a </dev/null && daemon_conf b </dev/null &&
	daemon_start a && daemon_start b || return
	for p in $TOPO_PROVIDERS; do
		radvd_set "$p" "$(topo_prefix "$p")" 1800 3600 || return
	done
	busywait 90 all_made || { cat "$(daemon_dir a)/log"; fail "there are no addresses"; return 1; }
	busywait 20 answers_each || { fail "they do not answer"; return 1; }
	session_from=$A1
	ssh_up && session_begin && session_talk 50 && busywait 30 context_is a established ||
		{ ask a /history; fail "there is no context"; return 1; }
}

# page: the browser shows the page, and the session on it.
page()
{
	web_begin a && look_begin a && look_at size 1440 && look_at open "http://localhost:$WEB_PORT/" &&
	look_at wait 30 "document.querySelectorAll('#sessions > li').length === 1 && document.querySelectorAll('#links > li').length === 2"
}

text_of() { look_at say "document.querySelector('$1').innerText"; }

# shows EXPRESSION: within a second the page shows something.
shows() { look_at wait 1 "$1"; }

protected()
{
	look_at wait 5 "document.getElementById('verdict').className === 'good'" && look_at shot "$SHOTS/web-protected.png" &&
	text_of '#links' | grep -q "fe80::" || { text_of body; fail "the page has no router"; return 1; }
	# The timeline begins before the first switch.
	session_talk 30 && pause 3
}

# cut_off UPLINK TO: the page says which provider is down, why the session has moved, and to which
# uplink.
cut_off()
{
	local to=$2

	link_cut a "$1" || return
	shows "[...document.querySelectorAll('#sessions dd')].some(e => e.textContent.startsWith('$to: ') && e.previousSibling.textContent === 'sends by')" &&
	shows "document.getElementById('switches').innerText.includes('Trigger local')" &&
	shows "/$1 .*is down/.test(document.getElementById('verdict-text').innerText)" &&
	shows "[...document.querySelectorAll('#links > li')].find(e => e.innerText.startsWith('$1')).innerText.includes('down')" &&
	look_at shot "$SHOTS/web-cut.png" && session_lives 15
}

# heals UPLINK
heals()
{
	link_restore a "$1" && look_at wait 30 "!document.querySelector('#links .bad')"
}

timeline()
{
	local n

	look_at say "document.querySelector('#sessions button').click()" >/dev/null
	session_talk 30 && pause 3
	look_at wait 10 "document.querySelector('#chart canvas') && document.querySelectorAll('#timeline-switches > li').length >= 1" &&
	look_at size 360 && look_at shot "$SHOTS/web-timeline.png" && look_at size 1440 || return
	n=$(in_ns a curl -s -G --data-urlencode "context=$A1,$B1,0" "http://localhost:$WEB_PORT/api/timeline" | jq '[.out[] | select(. != null)] | max')
	[ "${n%.*}" -gt 0 ] || { cat "$(daemon_dir a)/web.log"; in_ns a ss -tin; fail "nothing was carried: $n"; }
}

# sent: what the session's timeline says was sent, in bits.
sent() { in_ns a curl -s -G --data-urlencode "context=$A1,$B1,0" "http://localhost:$WEB_PORT/api/timeline" | jq '[.out[] | select(.)] | add | floor'; }

# udp: what a datagram session sends is in the timeline, by the pair in use.
udp()
{
	local before want=$((8 * 2000 * 1048))

	before=$(sent)
	in_ns b /usr/bin/python3 "$here/octets.py" sink "$B1" 2000 1000 >"$TEST_TMP/sink" 2>&1 &
	busywait 10 holds "$TEST_TMP/sink" ready &&
	in_ns a /usr/bin/python3 "$here/octets.py" source "$A1" "$B1" 2000 1000 1 && pause 3 || return
	[ $(($(sent) - before)) -gt $((want / 100 * 99)) ] || { in_ns a shim6tool context; fail "$(($(sent) - before)) bits were sent, wanted $want"; }
}

# A name is text, also in JSON, in metrics, and in what doctor says.
hostile()
{
	local name='a<b>"&'

	ip -n "${ns}a" link add "$name" type dummy && ip -n "${ns}a" link set "$name" up &&
	ip -n "${ns}a" addr add 2001:db8:9::a/64 dev "$name" nodad || return
	look_at wait 30 "[...document.querySelectorAll('#links h3')].some(e => e.textContent === 'a<b>\"&')" &&
	expect_eq "elements that the name made" "$(look_at say "document.querySelectorAll('main b').length")" 0 &&
	in_ns a curl -s "http://localhost:$WEB_PORT/metrics" | grep -qF 'shim6_link_operational{interface="a<b>\"&",router=""}' || return
	ip -n "${ns}a" link del "$name"
}

# alert NAME STATE: Prometheus has this alert, in this state.
alert()
{
	in_ns a curl -s "http://localhost:9090/api/v1/alerts" |
		jq -e --arg n "$1" --arg s "$2" 'any(.data.alerts[]; .labels.alertname == $n and .state == $s)' >/dev/null
}

no_alert() { [ "$(in_ns a curl -s http://localhost:9090/api/v1/alerts | jq '.data.alerts | length')" = 0 ]; }

prometheus_begin()
{
	cat >"$TEST_TMP/prometheus.yml" <<-EOF
		global: { scrape_interval: 5s, evaluation_interval: 5s }
		rule_files: ['$RULES']
		scrape_configs:
		  - job_name: shim6
		    static_configs: [ { targets: ['localhost:$WEB_PORT'] } ]
	EOF
	ip netns exec "${ns}a" prometheus --config.file="$TEST_TMP/prometheus.yml" --storage.tsdb.path="$TEST_TMP/tsdb" \
		--web.listen-address=localhost:9090 2>"$TEST_TMP/prometheus.log" 9>&- &
	busywait 20 test -e "$TEST_TMP/prometheus.log" && busywait 60 holds "$TEST_TMP/prometheus.log" "Server is ready" || { cat "$TEST_TMP/prometheus.log"; return 1; }
	busywait 60 scraped || { in_ns a curl -s http://localhost:9090/api/v1/targets; fail "it does not scrape"; }
}

scraped() { in_ns a curl -s "http://localhost:9090/api/v1/query?query=shim6_contexts_protected" | jq -e '.data.result[0].value[1] == "1"' >/dev/null; }

alerts()
{
	prometheus_begin && link_cut a up1 && busywait 180 alert Shim6ProviderDown firing ||
		{ in_ns a curl -s http://localhost:9090/api/v1/alerts; fail "the alert does not fire"; return 1; }
	heals up1 && busywait 180 no_alert || { in_ns a curl -s http://localhost:9090/api/v1/alerts; fail "it does not clear"; }
}

# gone: shim6d is killed, and comes back.
gone()
{
	daemon_end a KILL && look_at wait 15 "document.getElementById('verdict').className === 'bad' && document.getElementById('verdict-text').innerText.includes('does not answer')" &&
	busywait 180 alert Shim6DaemonGone firing && daemon_start a && look_at wait 30 "document.getElementById('verdict').className !== 'bad'" &&
	busywait 180 no_alert
}

set_up "two hosts with two providers each, and a session" hosts
run_test "the page shows both links and the session" page
run_test "it says that the session is protected" protected
run_test "a provider is cut: within a second it says which, why, and by which pair the session goes" cut_off up1 up2
run_test "the provider is back" heals up1
run_test "the timeline has the switch, and what was carried" timeline
run_test "the timeline has what UDP carried" udp
run_test "the name of an interface is text" hostile
run_test "Prometheus scrapes it, and an alert fires and clears" alerts
run_test "shim6d is gone, and back: page and alert say so" gone
tap_end
