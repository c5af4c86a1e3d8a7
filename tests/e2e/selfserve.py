"""A program that serves itself, asked by what its users have: selfserve.py SELFSERVE MAPSCOPE

What it says of its maps is what mapscope sees from outside; go tool pprof and promtool take what they get; a page of another
site is refused.  Exit code 1: not so.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

selfserve, mapscope = sys.argv[1:3]
words = [f'w{n * 7919 % 5003}' for n in range(20000)]
scratch = tempfile.mkdtemp()
program = subprocess.Popen([selfserve, '0'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                           env=os.environ | {'GOMAP_CONF': 'profile_bytes:4096'})


def fetch(path, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(base + path, headers=headers), timeout=60) as r:
            return r.status, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def same(what, got, want):
    if got != want:
        sys.exit(f'{what}: got {got!r}, want {want!r}')
    print(f'seen: {what}')


try:
    base = program.stdout.readline().strip().rstrip('/')
    same('it listens at the loopback address', bool(re.fullmatch(r'http://127\.0\.0\.1:\d+', base)), True)

    # Asked without rest while it writes its map: every answer is whole.
    done, answers = threading.Event(), []
    asker = threading.Thread(target=lambda: [answers.append(fetch('/debug/pprof/heap')) or answers.append(fetch('/api/v1/maps'))
                                             for _ in iter(done.is_set, True)])
    asker.start()
    program.stdin.write('\n'.join(words) + '\n')
    program.stdin.close()
    same('all words are counted', program.stdout.readline(), '5003 words; Ctrl-C ends\n')
    done.set()
    asker.join()
    same('it was asked while it ran', len(answers) > 0, True)
    same('all answers while it ran', {status for status, _ in answers} - {200}, set())

    outside = json.loads(subprocess.run([mapscope, 'list', str(program.pid), '-o', 'json'], capture_output=True, check=True).stdout)
    for _ in range(50):  # what is told may be a second old
        status, body = fetch('/api/v1/maps')
        inside = json.loads(body)
        if inside['maps'] == outside['maps']:
            break
        threading.Event().wait(0.1)
    same('its maps, from within and from outside', inside['maps'], outside['maps'])
    same('their totals', inside['totals'], outside['totals'])
    same('their process', inside['target']['pid'], program.pid)

    status, text = fetch('/metrics')
    text = text.decode()
    same('entries in /metrics', re.findall(r'^gomap_entries\{map="words",type="string->long"\} (\d+)$', text, re.M), ['5003'])
    if shutil.which('promtool'):
        same('promtool', subprocess.run(['promtool', 'check', 'metrics'], input=text, text=True).returncode, 0)

    if shutil.which('go'):
        env = os.environ | {'PPROF_TMPDIR': scratch}
        for name in 'heap', 'allocs', 'maps':
            top = subprocess.run(['go', 'tool', 'pprof', '-tagroot=map', '-top', f'{base}/debug/pprof/{name}'], env=env, capture_output=True, text=True)
            same(f'go tool pprof takes {name}', (top.returncode, 'words' in top.stdout), (0, True))
        raw = subprocess.run(['go', 'tool', 'pprof', '-raw', f'{base}/debug/pprof/mutex'], env=env, capture_output=True, text=True)
        same('go tool pprof takes mutex', (raw.returncode, 'contentions/count delay/nanoseconds' in raw.stdout), (0, True))

    same('the command line', fetch('/debug/pprof/cmdline')[1].split(b'\0'), [selfserve.encode(), b'0'])
    same('no such profile', fetch('/debug/pprof/goroutine'), (404, b'Unknown profile\n'))
    same('names of addresses', fetch('/debug/pprof/symbol')[1], b'num_symbols: 1\n')
    same('another site', fetch('/metrics', Host='evil.com')[0], 403)
    same('it lists what there is', b'/debug/pprof/heap' in fetch('/')[1], True)
    # A second program cannot have the port; it says so, and does not start.
    second = subprocess.run([selfserve, base.removeprefix('http://')], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    same('the port is taken', (second.returncode, 'cannot listen' in second.stderr), (1, True))
    open_to_all = subprocess.run([selfserve, '0.0.0.0:0'], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    same('others need a token', (open_to_all.returncode, 'token' in open_to_all.stderr), (1, True))
finally:
    program.kill()
    program.wait()
    shutil.rmtree(scratch)
