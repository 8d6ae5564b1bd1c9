"""A real Slurm of two nodes on this machine: its own controller, nodes, ports, keys and state, ended with the block."""

import getpass
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.assets.servers import Servers, free_port

NODES = ("n1", "n2")
_PROGRAMS = ("slurmctld", "slurmd", "munged", "mungekey", "srun", "sbatch", "squeue", "scancel", "sinfo")
_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"

CONF = """
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
JobRequeue=1
ReturnToService=2
SlurmdTimeout=5
SlurmctldTimeout=5
KillWait=1
BatchStartTimeout=2
MinJobAge=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0,defer_batch=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={n1} CPUs=1 RealMemory=4000
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={n2} CPUs=1 RealMemory=4000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def lacking() -> list[str]:
    """The programs of Slurm that are not on this machine."""
    return [program for program in _PROGRAMS if not shutil.which(program, path=_PATH)]


class Cluster:
    """Two nodes and their controller."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self._servers, self._folder = servers, folder
        self.conf = folder / "slurm.conf"
        self.env = {**os.environ, "PATH": _PATH, "SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Start everything and wait until both nodes are idle."""
        ports = {name: free_port() for name in ("controller", *NODES)}
        self.conf.write_text(CONF.format(folder=self._folder, user=getpass.getuser(), **ports))
        for name in ("state", *NODES):
            (self._folder / name).mkdir()
        key, socket = self._folder / "munge.key", self._folder / "munge.socket"
        subprocess.run(["mungekey", "--create", f"--keyfile={key}"], env=self.env, check=True)
        munged = ["munged", "--foreground", "--force", f"--socket={socket}", f"--key-file={key}"]
        munged += [f"--{name}-file={self._folder}/munge.{name}" for name in ("log", "pid", "seed")]
        self._serve("munged", munged)
        self._servers.wait_until(socket.exists, what="munged", seconds=30)
        self._serve("slurmctld", ["slurmctld", "-D", "-f", str(self.conf)])
        for node in NODES:
            self._serve(node, ["slurmd", "-D", "-N", node, "-f", str(self.conf)])
        self._servers.wait_until(
            lambda: self.asked("sinfo", "-h", "-t", "idle", "-o", "%D") == "2", what="nodes", seconds=60
        )

    def fail_node(self, node: str) -> None:
        """End a node and everything that runs on it at once, as where its power goes, and have the controller see it."""
        self._servers.kill(node)
        self._end_processes(node)
        self.asked("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=failed")

    def asked(self, *command: str) -> str:
        """What one of Slurm's commands prints; empty where it fails."""
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False).stdout.strip()

    def end_jobs(self) -> None:
        """Cancel what is left of a test."""
        self.asked("scancel", "--user", getpass.getuser())
        for node in NODES:
            self._end_processes(node)

    def _end_processes(self, node: str) -> None:
        """Kill what runs on a node: first who would report it, slurmstepd."""
        processes = list(self._on(node))
        for pid in [*{parent for pid in processes if (parent := _guardian(pid))}, *processes]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _serve(self, name: str, command: list[str]) -> None:
        program = shutil.which(command[0], path=_PATH)
        assert program
        self._servers.start(name, [program, *command[1:]], env=self.env, cwd=self._folder)

    def _on(self, node: str) -> Iterator[int]:
        """Processes of jobs on a node of this cluster."""
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                variables = (folder / "environ").read_bytes().split(b"\0")
                ours = f"SLURM_CONF={self.conf}".encode() in variables
                if ours and f"SLURMD_NODENAME={node}".encode() in variables:
                    yield int(folder.name)


def _guardian(pid: int) -> int | None:
    """The slurmstepd that started a process."""
    with suppress(OSError):
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if Path(f"/proc/{parent}/comm").read_text().startswith("slurmstepd"):
            return parent
    return None


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Give a cluster; it and all its jobs end with the block."""
    with Servers(folder) as servers:
        started = Cluster(servers, folder)
        try:
            started.start()
            yield started
        finally:
            started.end_jobs()
