/*
 * A process of Bulkhead's that never gets ready. It does not sleep: a filter might mind.
 */
int main(void)
{
    for (;;)
        __asm__ volatile("pause");
}
