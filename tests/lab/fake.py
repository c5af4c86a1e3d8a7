"""fake.py - a tree with the lab's own scripts and made-up experiments, to be run by the real driver.  Nothing is measured."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

EXPERIMENT = '''
import kit
TITLE = "%(name)s: is it so?"
ANSWERS = %(answers)r
PROGRAMS = ["program"]
GO = %(go)r


def run(lab):
    %(run)s


def judge(data):
    %(judge)s


def tables(data):
    return [kit.Table("a table <&", ["x"], [(data["x"],)])]


def plots(data):
    return []
'''
RUN = 'return {"x": lab.call("program")["x"]}'
JUDGE = 'return [kit.Verdict(name, kit.CONFIRMED, "1", kit.figure(data["x"])) for name in ANSWERS]'


class FakeLab(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.build = os.path.join(self.root, "build")
        for name in ("lab", "bench", "docs", "include", "lib", "build"):
            os.mkdir(os.path.join(self.root, name))
        for name in ("kit", "lab", "plots", "report", "articles"):
            shutil.copy(os.path.join(ROOT, "lab", name + ".py"), os.path.join(self.root, "lab"))
        for name in ("runner", "plots"):
            shutil.copy(os.path.join(ROOT, "bench", name + ".py"), os.path.join(self.root, "bench"))
        # As few commands as a machine may have: no go, no valgrind.
        self.tools = os.path.join(self.root, "tools")
        os.mkdir(self.tools)
        for name in ("sh", "cat"):
            os.symlink(shutil.which(name), os.path.join(self.tools, name))

    def write(self, path, text, mode=0o644):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, mode)

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as source:
            return source.read()

    def exists(self, path):
        return os.path.exists(os.path.join(self.root, path))

    def experiment(self, name, answers, program="echo '{\"x\": 7}'", run=RUN, judge=JUDGE, go=None):
        self.write("lab/%s/experiment.py" % name,
                   EXPERIMENT % {"name": name, "answers": answers, "run": run, "judge": judge, "go": go or {}})
        self.write("lab/%s/README.md" % name, "# %s\n\nWhat %s is about.\n\nMore.\n" % (name, name))
        if program:
            self.write("build/lab/%s/program" % name, "#!/bin/sh\necho run >>%s/runs-%s\n%s\n" % (self.root, name, program), 0o755)

    def runs(self, name):
        """How often the experiment's program ran."""
        return self.read("runs-" + name).count("run") if self.exists("runs-" + name) else 0

    def lab(self, *args, path=None):
        return subprocess.run([sys.executable, os.path.join(self.root, "lab", "lab.py"), "--build", self.build, *args],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              env=dict(os.environ, PATH=path or self.tools))

    def leftovers(self):
        return [name for _, _, names in os.walk(self.root) for name in names if name.startswith(".new-")]
