"""`lora-theory completion`: what a shell needs to complete commands and options."""

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish", "powershell"], /) -> int:
    """Print the script that completes commands and options in a shell; nothing is installed.

    In bash: `eval "$(lora-theory completion bash)"`, in a terminal or in ~/.bashrc.

    Parameters
    ----------
    shell
        The shell that is to read the script.
    """
    from proofs_check.__main__ import application

    print(application().generate_completion(shell=shell))
    return 0
