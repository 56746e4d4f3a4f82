"""A Slurm of one node on this machine for tests: loopback only, a folder of its own, gone at the end.

The node claims more cores, memory and GPUs than there are, so that what a cluster would run side by side is seen to.
Jobs look for the configuration at /etc/slurm/slurm.conf (Snakemake takes SLURM_CONF out of their environment): while
the cluster is up, that is a link into the folder. A configuration that is not a test's own is never touched.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CONFIG = Path("/etc/slurm/slurm.conf")
MARK = "# A Slurm of one node, made by a test and removed by it."
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "setpriv")
DATABASE_DAEMONS = ("slurmdbd", "sacctmgr", "mariadbd", "mariadb", "mariadb-install-db")
CPUS, MEMORY_MB, GPUS = 64, 512_000, 2
ACCOUNT, PARTITION, GPU_PARTITION = "faces", "standard", "gpu"


def missing(accounting: bool = False) -> str:
    """Why there can be no cluster here; empty where there can."""
    if os.geteuid() != 0:
        return "a test's Slurm needs root: its jobs look for /etc/slurm/slurm.conf"
    wanted = (*DAEMONS, *(DATABASE_DAEMONS if accounting else ()))
    absent = [name for name in wanted if not shutil.which(name)]
    if absent:
        packages = "slurmctld slurmd slurm-client munge" + (" slurmdbd mariadb-server" if accounting else "")
        return f"{', '.join(absent)} not installed; apt-get install --no-install-recommends {packages}"
    foreign = CONFIG.exists() and not CONFIG.read_text().startswith(MARK)
    if foreign or (CONFIG.is_symlink() and _answers()):
        return f"{CONFIG} is of a cluster in use, and stays as it is"
    return ""


@dataclass(frozen=True)
class Cluster:
    """A running cluster and its folder, where the daemons' logs are."""

    folder: Path

    def jobs(self) -> dict[str, dict[str, str]]:
        """{job id: what `scontrol show job` says of it}, oldest first, finished jobs too."""
        shown = output("scontrol", "--oneliner", "--detail", "show", "job")
        records = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in shown.splitlines() if "JobId=" in line]
        return {record["JobId"]: record for record in sorted(records, key=lambda record: int(record["JobId"]))}

    def cancel(self) -> None:
        """scancel the one job that runs."""
        (job,) = (number for number, job in self.jobs().items() if job["JobState"] == "RUNNING")
        output("scancel", job)

    def node(self, state: str) -> None:
        """Set the node's state: drain or resume."""
        reason = ["reason=test"] if state == "drain" else []
        output("scontrol", "update", "nodename=node", f"state={state}", *reason)


def output(*command: str) -> str:
    """What a command prints. Raises CalledProcessError where it fails."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def wait_until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Return once `true()` is. Raises TimeoutError that says what did not happen."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)


@contextmanager
def cluster(folder: Path, accounting: bool = False) -> Iterator[Cluster]:
    """Start a cluster in an empty folder; stop it, its jobs and all its daemons at the end, whatever happens."""
    ports = _free_ports(3)
    _write_config(folder, ports, accounting)
    with ExitStack() as running:
        _link(running, folder / "slurm.conf")
        running.callback(_kill_leftovers, folder)
        _start(running, folder, "munged", "--foreground", "--force", *_munge_options(folder))
        wait_until((folder / "munge.socket").exists, "munged opens its socket")
        if accounting:
            _start_database(running, folder)
        _start(running, folder, "slurmctld", "-D", "-i")
        _start(running, folder, "slurmd", "-D")
        running.callback(_cancel_all)
        wait_until(lambda: "idle" in _try("sinfo", "--noheader", "--format=%T"), f"the node is idle; see {folder}")
        yield Cluster(folder)


def _link(running: ExitStack, config: Path) -> None:
    """Make `config` the machine's, as long as `running` runs."""
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    if CONFIG.is_symlink():  # left by a test that was killed: `missing` has looked
        CONFIG.unlink()
    CONFIG.symlink_to(config)
    running.callback(lambda: CONFIG.resolve() == config.resolve() and CONFIG.unlink())


def _start(running: ExitStack, folder: Path, name: str, *options: str) -> None:
    """Start a daemon in the foreground; it ends with `running`, and with this process should that be killed."""
    environment = os.environ | {"SLURM_CONF": f"{folder}/slurm.conf", "MYSQL_UNIX_PORT": f"{folder}/database.socket"}
    command = ["setpriv", "--pdeathsig", "TERM", name, *options]
    with open(folder / f"{name}.log", "w") as log:
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        daemon = subprocess.Popen(command, env=environment, start_new_session=True, **streams)
    running.callback(_stop, daemon)


def _stop(daemon: subprocess.Popen) -> None:
    daemon.terminate()
    try:
        daemon.wait(timeout=20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _cancel_all() -> None:
    """End every job, so that no step outlives the daemons."""
    _try("scancel", "--user=root", "--signal=KILL", "--full")
    _try("scancel", "--user=root")
    wait_until(lambda: not _try("squeue", "--noheader"), "every job has ended")


def _kill_leftovers(folder: Path) -> None:
    """Kill what a cancelled job left: without cgroups Slurm loses a process whose parent has ended."""
    mark = f"SLURM_CONF={folder}/slurm.conf".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended in the meantime
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def _try(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.strip()


def _answers() -> bool:
    return " is UP" in _try("scontrol", "ping")


def _free_ports(number: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _munge_options(folder: Path) -> list[str]:
    paths = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    paths["log-file"] = "munged.log"
    return [f"--{option}={folder / name}" for option, name in paths.items()]


def _write_config(folder: Path, ports: list[int], accounting: bool) -> None:
    """Fill the folder: configuration, munge's key, and a plain file for each GPU."""
    folder.chmod(0o755)  # munged's socket has to be within everyone's reach
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    for number in range(GPUS):
        (folder / f"gpu{number}").touch()
    (folder / "gres.conf").write_text(f"NodeName=node Name=gpu File={folder}/gpu[0-{GPUS - 1}]\n")
    storage = _database_config(folder, ports[2]) if accounting else "AccountingStorageType=accounting_storage/none"
    (folder / "slurm.conf").write_text(_config(folder, ports, storage))


def _config(folder: Path, ports: list[int], storage: str) -> str:
    host = socket.gethostname().split(".")[0]
    return f"""{MARK}
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MinJobAge=3600
GresTypes=gpu
{storage}
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs={CPUS} RealMemory={MEMORY_MB} Gres=gpu:{GPUS}
PartitionName={PARTITION} Nodes=node Default=YES MaxTime=INFINITE
PartitionName={GPU_PARTITION} Nodes=node MaxTime=INFINITE
"""


def _database_config(folder: Path, port: int) -> str:
    """Write slurmdbd.conf; the lines of slurm.conf that go with it."""
    host = socket.gethostname().split(".")[0]
    path = folder / "slurmdbd.conf"
    path.touch(mode=0o600)
    path.write_text(f"""AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
CommunicationParameters=NoInAddrAny
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
PidFile={folder}/slurmdbd.pid
""")
    return f"""AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations"""


def _start_database(running: ExitStack, folder: Path) -> None:
    """MariaDB on a socket alone, slurmdbd on top of it, and the one account of the test."""
    data, listening = folder / "database", folder / "database.socket"
    where = ("--no-defaults", "--user=root", f"--datadir={data}")
    output("mariadb-install-db", *where, "--auth-root-authentication-method=normal")
    small = ("--skip-networking", "--innodb-buffer-pool-size=32M")
    _start(running, folder, "mariadbd", *where, f"--socket={listening}", *small)
    wait_until(listening.exists, "MariaDB opens its socket")
    _start(running, folder, "slurmdbd", "-D")
    wait_until(lambda: _try("sacctmgr", "show", "cluster"), f"slurmdbd answers; see {folder}")
    output("sacctmgr", "-i", "add", "cluster", "test")
    output("sacctmgr", "-i", "add", "account", ACCOUNT)
    output("sacctmgr", "-i", "add", "user", "root", f"account={ACCOUNT}")
