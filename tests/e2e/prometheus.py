"""Debian's Prometheus scrapes a process of gomap and one of Go through the agent: prometheus.py MAPSCOPE TARGET GOSERVICE_BUILD EXAMPLES

What it answers when it is asked is what mapscope lists; the alerts of the examples are loaded, and a process that ends is gone from
the next scrape.  Exit code 77: there is no Prometheus, or no Go.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

mapscope, target, build, examples = sys.argv[1:5]
for needed, package in ('prometheus', 'prometheus'), ('go', 'golang-go'):
    if not shutil.which(needed):
        print(f'SKIP: no {needed} (package {package})')
        sys.exit(77)
scratch = tempfile.mkdtemp()
running = []
DEADLINE = time.monotonic() + 240


def start(*command, **more):
    running.append(subprocess.Popen(command, text=True, **more))
    return running[-1]


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def ask(path):
    """What the API of Prometheus answers; None: it is not up yet."""
    try:
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/api/v1/{path}', timeout=60) as r:
            return json.load(r)['data']
    except (urllib.error.URLError, ConnectionError):
        return None


def query(expression):
    data = ask('query?' + urllib.parse.urlencode({'query': expression}))
    return [(r['metric'], float(r['value'][1])) for r in data['result']] if data else []


def until(what, probe):
    while not probe():
        if time.monotonic() > DEADLINE:
            sys.exit(f'{what}: not within the time there is')
        time.sleep(0.3)
    print(f'seen: {what}')


def totals(pid):
    listed = subprocess.run([mapscope, 'list', str(pid), '-o', 'json'], capture_output=True, check=True).stdout
    return json.loads(listed)['totals']


try:
    subprocess.run(['bash', build, scratch], check=True, capture_output=True)
    c = start(target, 'known', stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert c.stdout.readline() == 'ready\n'
    go = start(f'{scratch}/goservice', '-listen', '127.0.0.1:0', stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    agent = start(mapscope, 'agent', f'{c.pid},{go.pid}', '--listen', '0', '-i', '0.5', stdout=subprocess.PIPE)
    address = agent.stdout.readline().strip().rsplit('http://', 1)[1].rstrip('/')
    config = open(f'{examples}/prometheus.yml').read()
    config = config.replace('15s', '1s').replace('127.0.0.1:7071', address).replace('rules.yml', f'{examples}/rules.yml')
    assert address in config
    with open(f'{scratch}/prometheus.yml', 'w') as f:
        f.write(config)
    port = free_port()
    log = open(f'{scratch}/log', 'w')
    start('prometheus', f'--config.file={scratch}/prometheus.yml', f'--storage.tsdb.path={scratch}/data',
          f'--web.listen-address=127.0.0.1:{port}', stdout=log, stderr=log)

    until('both processes are up', lambda: {m['pid'] for m, v in query('mapscope_up == 1')} == {str(c.pid), str(go.pid)})
    for what, process in ('a process of gomap', c), ('a process of Go', go):
        want = totals(process.pid)
        of = f'{{pid="{process.pid}"}}'
        for metric, field in ('gomap_maps', 'maps'), ('gomap_entries', 'entries'), ('gomap_memory_bytes', 'bytes'):
            # A Go program lives: what it holds is compared while it holds still, and lists are taken again.
            until(f'{metric} of {what}', lambda: query(f'sum({metric}{of})')[0][1] == totals(process.pid)[field])
        assert want['maps'] > 5
    known = query(f'gomap_entries{{pid="{c.pid}"}}')
    assert len({m['map'] for m, v in known}) > 10 and all(m['process'] == 'target_maps' for m, v in known)
    version = {m['pid']: m['version'] for m, v in query('gomap_build_info')}
    assert version[str(c.pid)].startswith('gomap ') and version[str(go.pid)].startswith('go1.'), version
    print(f'seen: versions {sorted(version.values())}')
    scrape = ask('targets')['activeTargets'][0]
    assert scrape['health'] == 'up' and not scrape['lastError'], scrape
    rules = [r['name'] for g in ask('rules')['groups'] for r in g['rules']]
    assert 'MapWaste' in rules and all(r['health'] != 'err' for g in ask('rules')['groups'] for r in g['rules'])
    print(f'seen: {len(rules)} alerts are loaded')

    c.kill()
    c.wait()
    until('a process that ended is gone', lambda: {m['pid'] for m, v in query('mapscope_up')} == {str(go.pid)})
finally:
    for process in running:
        process.kill()
        process.wait()
    shutil.rmtree(scratch, ignore_errors=True)
