"""A SLURM of two nodes on one machine, of Debian's packages: no systemd, no control groups, no accounting."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

NODES = ("cpu1", "cpu2")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
# Commands read it where a variable names it; Snakemake's plugin takes that variable away from its jobs.
USUAL = Path("/etc/slurm/slurm.conf")
FOLDER = "dliflow-test-cluster"  # what the cluster's folder is called

CONFIG = """\
ClusterName=dliflow
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/prolog
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0
KillWait=2
MpiDefault=none
SwitchType=switch/none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ReturnToService=2
SlurmdParameters=config_overrides
{nodes}
PartitionName=bench Nodes={names} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""
# Both nodes are one machine, so each takes the lock of a folder in the machine's place.
PROLOG = """\
#!/bin/sh
mkdir -p {folder}/lock-$SLURMD_NODENAME
echo "export DLIFLOW_TEST_LOCK_FOLDER={folder}/lock-$SLURMD_NODENAME"
"""


def lacking() -> str | None:
    """Why there can be no such cluster here; None where there can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"SLURM is not installed (apt-get install slurm-wlm munge); missing: {', '.join(missing)}"
    if os.geteuid() != 0:
        return "a test cluster needs root"
    # A link that leads nowhere may be the user's, to a disk that is away; one to such a folder a killed test has left.
    left = USUAL.is_symlink() and not USUAL.exists() and USUAL.readlink().parent.name == FOLDER
    return f"this machine has a SLURM of its own: {USUAL}" if os.path.lexists(USUAL) and not left else None


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Cluster:
    """A running cluster; every process that it starts is ended by its number.

    Attributes:
        variables: with which commands and jobs find it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.variables = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self) -> Cluster:
        self.folder.mkdir(mode=0o700)
        (self.folder / "state").mkdir()
        host = socket.gethostname().partition(".")[0]
        controller, *ports = free_ports(1 + len(NODES))
        lines = [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=1000 Feature={name}"
            for name, port in zip(NODES, ports)
        ]
        described = {"folder": self.folder, "host": host, "controller": controller, "names": ",".join(NODES)}
        (self.folder / "slurm.conf").write_text(CONFIG.format(**described, nodes="\n".join(lines)))
        (self.folder / "prolog").write_text(PROLOG.format(folder=self.folder))
        (self.folder / "prolog").chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(256))
        key.chmod(0o600)
        USUAL.parent.mkdir(exist_ok=True)
        USUAL.unlink(missing_ok=True)  # of a test that was killed, or `lacking` would have told
        USUAL.symlink_to(self.folder / "slurm.conf")
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        files = {"key-file": "key", "socket": "sock", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        place = [f"--{option}={self.folder}/munge.{ending}" for option, ending in files.items()]
        self._daemon("munged", "--foreground", "--force", *place)
        self.until(lambda: (self.folder / "munge.sock").exists(), "munged")
        self._daemon("slurmctld", "-D", "-f", self.variables["SLURM_CONF"])
        for name in NODES:
            (self.folder / f"spool-{name}").mkdir()
            self._daemon("slurmd", "-D", "-N", name, "-f", self.variables["SLURM_CONF"])
        self.until(lambda: self._states() == ["idle"] * len(NODES), "nodes that are idle")

    def _daemon(self, *command: str) -> None:
        with open(self.folder / f"{command[0]}.out.log", "a") as log:
            variables = {**os.environ, **self.variables}
            self._daemons.append(subprocess.Popen(command, stdout=log, stderr=log, env=variables))

    def _states(self) -> list[str]:
        with contextlib.suppress(subprocess.CalledProcessError):
            return self.ask("sinfo", "--noheader", "--Node", "--format=%T").split()
        return []

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 600) -> None:
        """Wait until something holds, while all daemons are well."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end or any(each.poll() is not None for each in self._daemons):
                logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.log"))
                raise AssertionError(f"no {what} after {seconds} s:\n{logs}")
            time.sleep(0.2)

    def ask(self, *command: str) -> str:
        """The answer of one of SLURM's commands."""
        variables = {**os.environ, **self.variables}
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=600).stdout

    def jobs(self, **filters: str) -> list[list[str]]:
        """Number, name, state and node of each job."""
        options = [f"--{key}={value}" for key, value in filters.items()]
        lines = self.ask("squeue", "--noheader", "--format=%i|%j|%T|%N", *options).splitlines()
        return [line.split("|") for line in lines]

    def set(self, node: str, state: str) -> None:
        """`DRAIN` a node, or let it `RESUME`."""
        self.ask("scontrol", "update", f"NodeName={node}", f"State={state}", "Reason=test")

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
            self.ask("scancel", "--user=root")
            self.until(lambda: not self.jobs(), "end of all jobs", 15)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        USUAL.unlink(missing_ok=True)
