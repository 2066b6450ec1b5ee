"""A SLURM of two nodes on one machine, of Debian's packages: no systemd, no control groups; with accounting or without.

With accounting its daemon keeps what ran in a MariaDB that nobody else can reach: a socket in the cluster's folder.
"""

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
FOR_ACCOUNTING = ("slurmdbd", "sacctmgr", "sacct", "mariadbd", "mariadb-install-db")
ACCOUNT = "lab"  # that the user may name; who names none gets SLURM's own for the user, called root
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
{accounting}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0
KillWait=2
MessageTimeout=60
MpiDefault=none
SwitchType=switch/none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ReturnToService=2
SlurmdParameters=config_overrides
{nodes}
PartitionName=bench Nodes={names} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""
NO_ACCOUNTING = "AccountingStorageType=accounting_storage/none"
ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database}
AccountingStoragePass={folder}/munge.sock
AccountingStorageEnforce=associations"""
DATABASE = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={database}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""
# Both nodes are one machine, so each takes the lock of a folder in the machine's place.
PROLOG = """\
#!/bin/sh
mkdir -p {folder}/lock-$SLURMD_NODENAME
echo "export DLIFLOW_TEST_LOCK_FOLDER={folder}/lock-$SLURMD_NODENAME"
"""


def lacking(accounting: bool) -> str | None:
    """Why there can be no such cluster here; None where there can."""
    needed, packages = PROGRAMS, "slurm-wlm munge"
    if accounting:
        needed, packages = (*PROGRAMS, *FOR_ACCOUNTING), f"{packages} slurmdbd mariadb-server"
    missing = [name for name in needed if shutil.which(name) is None]
    if missing:
        return f"SLURM is not installed (apt-get install {packages}); missing: {', '.join(missing)}"
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
        accounting: whether it keeps what ran; `accounted` reads that.
        variables: with which commands and jobs find it.
    """

    def __init__(self, folder: Path, accounting: bool):
        self.folder = folder
        self.accounting = accounting
        self.variables = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self) -> Cluster:
        self.folder.mkdir(mode=0o700)
        (self.folder / "state").mkdir()
        host = socket.gethostname().partition(".")[0]
        controller, database, *ports = free_ports(2 + len(NODES))
        lines = [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=1000 Feature={name}"
            for name, port in zip(NODES, ports)
        ]
        described = {"folder": self.folder, "host": host, "controller": controller, "database": database}
        described["accounting"] = (ACCOUNTING if self.accounting else NO_ACCOUNTING).format(**described)
        described |= {"names": ",".join(NODES), "nodes": "\n".join(lines)}
        (self.folder / "slurm.conf").write_text(CONFIG.format(**described))
        (self.folder / "slurmdbd.conf").write_text(DATABASE.format(**described))
        (self.folder / "slurmdbd.conf").chmod(0o600)
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
        if self.accounting:
            self._account()
        self._daemon("slurmctld", "-D", "-f", self.variables["SLURM_CONF"])
        for name in NODES:
            (self.folder / f"spool-{name}").mkdir()
            self._daemon("slurmd", "-D", "-N", name, "-f", self.variables["SLURM_CONF"])
        states = ("sinfo", "--noheader", "--Node", "--format=%T")
        self.until(lambda: (self._asked(*states) or "").split() == ["idle"] * len(NODES), "nodes that are idle")

    def _account(self) -> None:
        """Start what keeps accounts, with one that the user may name beside SLURM's own."""
        data, place = f"--datadir={self.folder}/data", self.folder / "database.sock"
        # Whoever reaches the socket is this user.
        self.ask("mariadb-install-db", "--no-defaults", data, "--user=root", "--auth-root-authentication-method=normal")
        self._daemon("mariadbd", "--no-defaults", data, "--user=root", f"--socket={place}", "--skip-networking")
        self.until(place.exists, "mariadbd")
        self._daemon("slurmdbd", "-D", MYSQL_UNIX_PORT=str(place))
        self.until(lambda: self._asked("sacctmgr", "list", "cluster") is not None, "slurmdbd")
        for what in ("cluster dliflow", f"account {ACCOUNT}", f"user root account={ACCOUNT}"):
            self.ask("sacctmgr", "--immediate", "add", *what.split())

    def _daemon(self, *command: str, **more: str) -> None:
        with open(self.folder / f"{command[0]}.out.log", "a") as log:
            variables = {**os.environ, **self.variables, **more}
            self._daemons.append(subprocess.Popen(command, stdout=log, stderr=log, env=variables))

    def _asked(self, *command: str) -> str | None:
        """The same as `ask` gives; None where it is refused, as before a daemon listens."""
        with contextlib.suppress(subprocess.CalledProcessError):
            return self.ask(*command)
        return None

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
        variables = {**os.environ, **self.variables, "SLURM_TIME_FORMAT": "%s"}
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=600).stdout

    def jobs(self, **filters: str) -> list[list[str]]:
        """Number, name, state and node of each job."""
        options = [f"--{key}={value}" for key, value in filters.items()]
        lines = self.ask("squeue", "--noheader", "--format=%i|%j|%T|%N", *options).splitlines()
        return [line.split("|") for line in lines]

    def accounted(self) -> list[dict[str, str]]:
        """What accounting keeps of each job and step, dates in seconds since 1970."""
        columns = ("JobIDRaw", "JobName", "Account", "State", "Start", "End", "NodeList")
        since = ("--starttime=now-1days", "--endtime=now")  # it would leave out what ended before midnight
        command = ("sacct", "--allusers", "--parsable2", "--noheader", f"--format={','.join(columns)}", *since)
        return [dict(zip(columns, line.split("|"))) for line in self.ask(*command).splitlines()]

    def set(self, node: str, state: str) -> None:
        """`DRAIN` a node, or let it `RESUME`."""
        self.ask("scontrol", "update", f"NodeName={node}", f"State={state}", "Reason=test")

    def __exit__(self, *_: object) -> None:
        try:
            if self._asked("scancel", "--user=root") is not None:
                self.until(lambda: not self.jobs(), "end of all jobs", 60)
        finally:
            for daemon in reversed(self._daemons):
                daemon.terminate()
                try:
                    daemon.wait(10)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
            USUAL.unlink(missing_ok=True)
