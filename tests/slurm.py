"""A stand-in for Slurm's commands on one machine: jobs sent to it run, are signalled, and start again when requeued."""

import os
import stat
import sys
from pathlib import Path

_COMMANDS = ("sbatch", "srun", "sacct", "scontrol")

_SCRIPT = r"""#!{python}
import os, re, subprocess, sys
from pathlib import Path

name, args, here = Path(sys.argv[0]).name, sys.argv[1:], Path(sys.argv[0]).parent

if name == "sbatch":
    number = 1000 + len(list(here.glob("*.sbatch")))
    text = Path(args[-1]).read_text()
    (here / f"{{number}}.sbatch").write_text(text)
    subprocess.Popen([sys.executable, str(here / "scontrol"), "run", str(number)],
                     start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print("Submitted batch job", number)
elif name == "scontrol" and args[0] == "run":  # the controller: the tasks of an array, one after the other
    number, text = args[1], (here / f"{{args[1]}}.sbatch").read_text()
    array = re.search(r"--array=0-(\d+)", text)
    for task in range(int(array[1]) + 1) if array else [None]:
        job = number if task is None else f"{{number}}_{{task}}"
        of_array = {{}} if task is None else {{"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": str(task)}}
        one = dict(SLURM_JOB_ID=number, SLURM_JOB_NAME="aerun", SLURM_NTASKS="1", SLURM_NTASKS_PER_NODE="1", SLURM_PROCID="0",
                   SLURM_LOCALID="0", SLURM_NODEID="0", SLURM_JOB_NUM_NODES="1", SLURM_JOB_NODELIST="localhost", FAKE_JOB=job)
        requeued = here / f"{{job}}.requeue"
        while True:
            (here / f"{{job}}.state").write_text("RUNNING")
            subprocess.run(["bash", str(here / f"{{number}}.sbatch")], env={{**os.environ, **one, **of_array}})
            if not requeued.exists():
                break
            requeued.unlink()
        (here / f"{{job}}.state").write_text("COMPLETED")
elif name == "scontrol" and args[0] == "requeue":
    (here / f"{{args[1]}}.requeue").touch()
elif name == "sacct":
    print("JobID|State|NodeList")
    for state in here.glob("*.state"):
        print(f"{{state.stem}}|{{state.read_text()}}|localhost")
elif name == "srun":
    job = os.environ["FAKE_JOB"]
    (here / f"{{job}}.pid").write_text(str(os.getpid()))
    for flag, fd in (("--output", 1), ("--error", 2)):
        if flag in args:
            at = args.index(flag)
            path = args[at + 1].replace("%A_%a", job).replace("%j", job).replace("%t", "0")
            del args[at : at + 2]
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), fd)
    command = [a for a in args if a != "--unbuffered"]
    os.execvp(command[0], command)
"""


def installed(folder: Path) -> Path:
    """Put the commands into `folder`, which is to be the first on PATH. What they were asked lies beside them."""
    folder.mkdir()
    for name in _COMMANDS:
        path = folder / name
        path.write_text(_SCRIPT.format(python=sys.executable))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


def path_with(folder: Path) -> str:
    """PATH with the commands in front."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
