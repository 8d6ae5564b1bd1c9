"""`featcx reference`: the epoch whose concepts are followed."""

import click

from featcx_assets.resources import home
from featcx_core.artefacts.register import move_reference
from featcx_core.store.places import open_store


@click.command()
@click.argument("study")
@click.argument("epoch", type=click.IntRange(min=1), required=False)
def reference(study: str, epoch: int | None) -> None:
    """Follow the concepts of another EPOCH of STUDY: the newest one that is there, where none is named.

    For checkpoints of another program, whose reference epoch was chosen when the study was registered and never moves
    by itself. What follows from it is made anew by the next run; everything else stays.
    """
    store = open_store(home(), study)
    before, now = move_reference(store, epoch)
    if before == now:
        click.echo(f"{study}: follows epoch {now} already")
    else:
        click.echo(f"{study}: follows epoch {now} (before: {before}); `featcx run {study}` makes what follows from it")
